// Tests of the page of package inspect in a browser, kept out of the library's own
// requirements.
module github.com/zmqio/zmq/tests/browser

go 1.25.0

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	github.com/zmqio/zmq v0.0.0
)

require (
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/pebbe/zmq4 v1.4.0 // indirect
	github.com/petermattis/goid v0.0.0-20260820044319-269ab09b5261 // indirect
	golang.org/x/sys v0.44.0 // indirect
)

replace github.com/zmqio/zmq => ../..
