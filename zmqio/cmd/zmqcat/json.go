package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// formatJSON appends an object, {"frames":["text",{"base64":"..."}]}, which parseJSON reads.
func formatJSON(buf []byte, msg [][]byte) []byte {
	type binary struct {
		Data []byte `json:"base64"`
	}
	var object struct {
		Frames []any `json:"frames"`
	}
	for _, frame := range msg {
		if utf8.Valid(frame) {
			object.Frames = append(object.Frames, string(frame))
		} else {
			object.Frames = append(object.Frames, binary{frame})
		}
	}
	return appendJSON(buf, object)
}

// appendJSON appends v, whose type package json can always encode, and a newline.
func appendJSON(buf []byte, v any) []byte {
	w := appender(buf)
	enc := json.NewEncoder(&w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	return w
}

// An appender is an io.Writer that appends to a slice.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

// parseJSON appends to frames the frames of a line in the form of formatJSON.
func parseJSON(frames [][]byte, line []byte) ([][]byte, error) {
	if !utf8.Valid(line) { // package json would silently change it
		return nil, errors.New("JSON: not UTF-8; write such frames as {\"base64\":\"...\"}")
	}
	var object struct {
		Frames []jsonFrame `json:"frames"`
	}
	if err := strictly(line, &object); err != nil {
		return nil, fmt.Errorf("JSON: %w", err)
	}
	if len(object.Frames) == 0 {
		return nil, errors.New(`JSON: no frames; a message looks like {"frames":["text",{"base64":"..."}]}`)
	}
	for _, frame := range object.Frames {
		frames = append(frames, frame)
	}
	return frames, nil
}

// A jsonFrame is a string or {"base64":"..."}.
type jsonFrame []byte

// UnmarshalJSON implements json.Unmarshaler.
func (f *jsonFrame) UnmarshalJSON(text []byte) error {
	var object struct {
		Data *[]byte `json:"base64"`
	}
	switch text[0] {
	case '"':
		var s string
		err := json.Unmarshal(text, &s)
		if strings.Count(s, "\ufffd") > bytes.Count(text, []byte("\ufffd"))+bytes.Count(bytes.ToLower(text), []byte(`\ufffd`)) {
			return errors.New("half of a surrogate pair, which is no character")
		}
		*f = []byte(s)
		return err
	case '{':
		if err := strictly(text, &object); err != nil {
			return err
		}
	}
	if object.Data == nil {
		return errors.New(`a frame is "text" or {"base64":"..."}`)
	}
	*f = *object.Data
	return nil
}

// strictly is json.Unmarshal that refuses unknown fields.
func strictly(text []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value in the line")
	}
	return nil
}
