package inspect

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the parts of the page
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
)

// The parts of the page. The script fills the page in: the HTML has no data.
var (
	//go:embed page.html
	pageHTML []byte
	//go:embed page.css
	pageCSS []byte
	//go:embed page.js
	pageJS []byte
)

// The largest limit, and the longest match in bytes, of a request.
const (
	maxLimit = 10_000
	maxMatch = 256
)

// Handler returns a handler of GET and HEAD, which serves the same at every path. It may be
// registered at several paths.
//
// The answer is the page. With format=json in the query it is the JSON of a Snapshot. Then
// limit, match and history=1 in the query set the fields of Query. limit is 10,000 at most, and
// match has 256 bytes at most. Equal requests within 200 ms get the same answer.
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", thePage().policy)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	switch format := r.FormValue("format"); format {
	case "":
		answer(w, "text/html; charset=utf-8", thePage().html)
	case "json":
		serveJSON(w, r)
	default:
		http.Error(w, fmt.Sprintf("unknown format %q: want json, or none for the page", format), http.StatusBadRequest)
	}
}

func serveJSON(w http.ResponseWriter, r *http.Request) {
	q := Query{Match: r.FormValue("match"), History: r.FormValue("history") == "1"}
	if limit := r.FormValue("limit"); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 1 || n > maxLimit {
			http.Error(w, fmt.Sprintf("limit is %q, not a number from 1 to %d", limit, maxLimit), http.StatusBadRequest)
			return
		}
		q.Limit = n
	}
	if len(q.Match) > maxMatch {
		http.Error(w, fmt.Sprintf("match has %d bytes, and %d are allowed", len(q.Match), maxMatch), http.StatusBadRequest)
		return
	}
	body, err := json.Marshal(theSampler.share(q.normal()))
	if err != nil { // json.Marshal cannot fail for a Snapshot
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, "application/json", append(body, '\n'))
}

// answer writes body. It holds no lock, so a slow client keeps only its body.
func answer(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // fails if the client has gone; package http drops the body for HEAD
}

// A page is the HTML and its content security policy. The policy allows the page's own script, by
// its hash, and nothing else.
type page struct {
	html   []byte
	policy string
}

var thePage = sync.OnceValue(func() page {
	html := bytes.Replace(pageHTML, []byte("/* page.css */"), pageCSS, 1)
	html = bytes.Replace(html, []byte("/* page.js */"), pageJS, 1)
	return page{html, fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; connect-src 'self'; img-src data:; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'", hash(pageCSS), hash(pageJS))}
})

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
