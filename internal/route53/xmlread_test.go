package route53

import (
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/awsapi"
)

// decode reads a request with package encoding/xml, and returns the elements in their order,
// each with its depth and, if it has no elements, its text.
func decode(text string) (out []string, err error) {
	type open struct {
		name, text string
		parent     bool
		at         int
	}
	var stack []open
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(stack) > 0 {
				stack[len(stack)-1].parent = true
			}
			stack = append(stack, open{name: t.Name.Local, at: len(out)})
			out = append(out, "")
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text += string(t)
			}
		case xml.EndElement:
			e := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			out[e.at] = describe(len(stack), e.name, e.text, e.parent)
		}
	}
}

func describe(depth int, name, text string, isParent bool) string {
	if isParent {
		text = ""
	}
	return strings.Repeat(" ", depth) + name + ": " + text
}

func (e *element) describe(depth int) (out []string) {
	out = []string{describe(depth, e.name, e.text, e.first != nil)}
	for c := e.first; c != nil; c = c.next {
		out = append(out, c.describe(depth+1)...)
	}
	return out
}

// TestReadXML compares what is accepted with package encoding/xml, over requests and over
// requests with random changes.
func TestReadXML(t *testing.T) {
	accepted := []string{
		`<a/>`,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><b>c</b><b>d</b></a>\n",
		`<?xml version='1.0' encoding='us-ascii' standalone='yes'?><a><b></b></a>`,
		`<n:a xmlns:n='x' b = "&lt;'"><n:b>1 &lt;&gt;&amp;&apos;&quot; &#65;&#x42; ]] &gt;</n:b ></n:a >`,
		"<a>x<b/>y</a>z", "<a>\r\n <b>one\rtwo\r\nthree</b>\n <!-- a - b --><c/> <?target data?>\n</a><!-- end -->",
		"<a><b>one <![CDATA[<two> &amp; ]] ]]>&#x2603;<!-- -->☃\u00a0𝄞</b></a>",
		strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth),
	}
	for _, text := range accepted {
		root, err := parseXML([]byte(text), rootOf(text))
		want, wantErr := decode(text)
		if err != nil || wantErr != nil || !slices.Equal(root.describe(0), want) {
			t.Errorf("%q: %v, want %q (%v)", text, err, want, wantErr)
		}
	}
	for _, text := range []string{
		"", " ", "<", "<a", "<a ", "<a>", "<a></b>", "</a>", "<a/><a/>", "<a b></a>", "<a b=c></a>", `<a b="<"/>`, `<a b="1"c="2"/>`, `<a b="&x;"/>`, `<a b="`,
		"<a>&</a>", "<a>&amp</a>", "<a>&x;</a>", "<a>&#0;</a>", "<a>&#xd800;</a>", "<a>&#x110000;</a>", "<a>&#99999999999;</a>", "<a>&#;</a>", "<a>]]></a>", "<a>\x01</a>", "<a>\xff</a>", "<a>\ufffe</a>",
		"<a><!-- -- --></a>", "<a><!-- </a>", "<a><![CDATA[ </a>", "<!DOCTYPE a><a/>", "<a><!b></a>", `<?xml version="1.1"?><a/>`, `<?xml version="1.0" encoding="latin1"?><a/>`, "<?xml", "<? xml?><a/>", "<1/>", "<:a/>", "<a:/>", "<a:b:c></a:b:c>", "< a/>",
	} {
		var f *awsapi.Fault
		if _, err := parseXML([]byte(text), "a"); !errors.As(err, &f) || f.Code != "MalformedXML" {
			t.Errorf("%q: %v, want MalformedXML", text, err)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	read := 0
	for range 20_000 {
		text := []byte(accepted[random.IntN(len(accepted))])
		for range 1 + random.IntN(3) {
			other := accepted[random.IntN(len(accepted))]
			from := random.IntN(len(other))
			piece := other[from : from+random.IntN(min(4, len(other)-from)+1)]
			at := random.IntN(len(text) + 1)
			text = slices.Replace(text, at, min(len(text), at+random.IntN(3)), []byte(piece)...)
		}
		x := xmlReader{text: string(text)}
		root, err := x.read()
		if err != nil || root == nil {
			continue
		}
		read++
		if want, err := decode(string(text)); err != nil || !slices.Equal(root.describe(0), want) {
			t.Fatalf("%q is read as %q, but package encoding/xml has %q, %v", text, root.describe(0), want, err)
		}
	}
	if read < 1000 {
		t.Errorf("only %d of the changed requests were read", read)
	}
}

// rootOf returns the local name of the root element.
func rootOf(text string) string {
	list, _ := decode(text)
	name, _, _ := strings.Cut(list[0], ":")
	return name
}
