package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
)

// TestJSONRoundTrip formats messages of random frames, text and binary ones, and parses
// them.
func TestJSONRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	frame := func() []byte {
		b := make([]byte, rng.IntN(40))
		for i := range b {
			b[i] = byte(rng.Uint32())
			if len(b)%2 == 0 {
				b[i] &= 0x7f // text
			}
		}
		return b
	}
	msgs := [][][]byte{message("\u2028\ufffd<&>\"\\"), message("\xff"), message("", ""), message("\xed\xa0\x80")}
	for range 5000 {
		var msg [][]byte
		for range 1 + rng.IntN(4) {
			msg = append(msg, frame())
		}
		msgs = append(msgs, msg)
	}
	for _, msg := range msgs {
		line := bytes.TrimSuffix(formatJSON(nil, msg), []byte("\n"))
		got, err := parseJSON(nil, line)
		if err != nil || !slices.EqualFunc(got, msg, bytes.Equal) {
			t.Fatalf("%q as %s is %q, %v", msg, line, got, err)
		}
	}
}

func TestJSONErrors(t *testing.T) {
	for line, want := range map[string]string{
		"":                                 `JSON: EOF`,
		"x":                                `JSON: invalid character 'x' looking for beginning of value`,
		"\"\xff\"":                         `JSON: not UTF-8; write such frames as {"base64":"..."}`,
		`{}`:                               `JSON: no frames; a message looks like {"frames":["text",{"base64":"..."}]}`,
		`{"frames":[]}`:                    `JSON: no frames; a message looks like {"frames":["text",{"base64":"..."}]}`,
		`{"frame":["x"]}`:                  `JSON: json: unknown field "frame"`,
		`{"frames":["x"]}{}`:               `JSON: more than one value in the line`,
		`{"frames":["x"]}]`:                `JSON: more than one value in the line`,
		`{"frames":[1]}`:                   `JSON: a frame is "text" or {"base64":"..."}`,
		`{"frames":["\ud800"]}`:            `JSON: half of a surrogate pair, which is no character`,
		`{"frames":["\uFFFD�\udc00"]}`:     `JSON: half of a surrogate pair, which is no character`,
		`{"frames":[null]}`:                `JSON: a frame is "text" or {"base64":"..."}`,
		`{"frames":[{}]}`:                  `JSON: a frame is "text" or {"base64":"..."}`,
		`{"frames":[{"base64":"*"}]}`:      `JSON: illegal base64 data at input byte 0`,
		`{"frames":[{"base64":"","x":1}]}`: `JSON: json: unknown field "x"`,
	} {
		if frames, err := parseJSON(nil, []byte(line)); err == nil || err.Error() != want {
			t.Errorf("%s: %q, %v, want %s", line, frames, err, want)
		}
	}
}

// TestJSONReads sends what another zmqcat would print.
func TestJSONReads(t *testing.T) {
	leakCheck(t)
	sink := newPeer(t, zmq.PULL, bindTo(anyPort))
	p := start(t, "push", "--connect", sink.transport.Listeners()[0], "--json")
	p.give(`{"frames":["a\tb",{"base64":"//4="},""]}` + "\n" + ` { "frames" : [ "ü", "\uFFFD�\ud83d\ude00" ] } ` + "\n")
	p.endInput()
	p.ends(exitOK)
	sink.receives("a\tb|\xff\xfe|", "ü|��😀")
}

func TestJSONReadsNoMessage(t *testing.T) {
	leakCheck(t)
	for args, test := range map[string]struct{ input, want string }{
		"push":   {"x\n", `zmqcat: line 1: JSON: invalid character 'x' looking for beginning of value`},
		"router": {`{"frames":["x"]}` + "\n", `zmqcat: line 1: ROUTER needs two frames or more: the peer's routing id, and the message`},
	} {
		sink := newPeer(t, zmq.DEALER, bindTo(anyPort))
		if args == "push" {
			sink = newPeer(t, zmq.PULL, bindTo(anyPort))
		}
		p := start(t, args, "-j", "-c", sink.transport.Listeners()[0])
		p.give(test.input)
		p.ends(exitFailure, test.want)
	}
}

// TestJSONRouter answers the peer that a message came from.
func TestJSONRouter(t *testing.T) {
	leakCheck(t)
	p := start(t, "router", "-b", anyPort, "-j", "-w", "0s")
	client := newPeer(t, zmq.DEALER, connectTo(p.bound()))
	client.send("question")
	line := p.stdout.await(t, func(s string) bool { return strings.HasSuffix(s, "\n") })
	var got struct{ Frames []json.RawMessage }
	must(t, json.Unmarshal([]byte(line), &got))
	p.give(`{"frames":[` + string(got.Frames[0]) + `,"answer"]}` + "\n")
	p.endInput()
	p.ends(exitOK)
	client.receives("answer")
}
