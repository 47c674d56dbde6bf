package awsapi

import (
	"encoding/xml"
	"net/http"
	"strings"
)

// Fault is an error as a client sees it.
type Fault struct {
	Status int // of HTTP
	Code   string
	Text   string
}

func (f *Fault) Error() string { return f.Code + ": " + f.Text }

// Type returns which side is at fault, as clients expect it.
func (f *Fault) Type() string {
	if f.Status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}

// Cause is why a request is refused before its operation begins.
type Cause uint8

// The causes, besides those of [sigv4.Error].
const (
	Denied    Cause = iota // the policy of the key
	Throttled              // too many requests of the key
	TooLarge               // more than Service.MaxBody
	TimedOut               // the body did not arrive
)

// Refusal is why a request is refused before its operation begins. Service.Fault gives it the
// code that the API has for it.
type Refusal struct {
	Cause Cause
	Text  string
}

func (r *Refusal) Error() string { return r.Text }

// XML returns a document of one line, because there are clients that search it by lines.
func XML(namespace, name string, v any) ([]byte, error) {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\"?>\n")
	e := xml.NewEncoder(&b)
	start := xml.StartElement{Name: xml.Name{Local: name}}
	if namespace != "" {
		start.Attr = []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespace}}
	}
	if err := e.EncodeElement(v, start); err != nil {
		return nil, err
	}
	return []byte(b.String()), e.Close()
}
