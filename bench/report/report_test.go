//go:build bench

package report

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSummarize(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   string
	}{
		{nil, "–"},
		{[]float64{1.234}, "1.23"},
		{[]float64{0, 0}, "0"},
		{[]float64{3, 1, 2}, "2.00 (1.00–3.00)"},
		{[]float64{40, 10, 30, 20}, "25.0 (10.0–40.0)"},
		{[]float64{1234.5, 999}, "1117 (999–1234)"},
	} {
		if got := Summarize(tt.values).String(); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.values, got, tt.want)
		}
	}
	if got := Summarize([]float64{1, 3}).Scaled(0.5).String(); got != "1.00 (0.50–1.50)" {
		t.Error(got)
	}
}

func TestTable(t *testing.T) {
	tab := Table{Head: []string{"server", "µs"}}
	tab.Add("ptrd", Summarize([]float64{4}))
	if got := tab.String(); got != "| server | µs |\n| --- | ---: |\n| ptrd | 4.00 |\n" {
		t.Errorf("%q", got)
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	const doc = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n<!-- y: begin -->\n<!-- y: end -->\n"
	if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time changes nothing
		if err := Replace(path, "x", "new\n"); err != nil {
			t.Fatal(err)
		}
		got, _ := os.ReadFile(path)
		if want := "a\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\nb\n<!-- y: begin -->\n<!-- y: end -->\n"; string(got) != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if err := Replace(path, "z", ""); err == nil || !strings.Contains(err.Error(), "<!-- z: begin -->") {
		t.Errorf("%v", err)
	}
}

// TestCharts: the drawings are XML, and hold what they are to show.
func TestCharts(t *testing.T) {
	bars := Bars{Title: "CPU & more", Unit: "µs", Groups: []BarGroup{{"v4 <1M>", []Bar{{"ptrd", Summarize([]float64{4, 4.2, 5}), true}, {"other", Summarize([]float64{8}), false}}}}}
	lines := Lines{Title: "growth", XName: "names", YName: "µs", Series: []Series{
		{"ptrd", []Point{{1000, 4}, {1e6, 4.5}, {1e7, 5}}}, {"none", []Point{{0, 0}}}, {"empty", nil}}}
	for _, tt := range []struct {
		svg   string
		texts []string
		paths int
	}{
		{bars.SVG(), []string{"CPU & more", "v4 <1M>", "ptrd", "other", "4.20 (4.00–5.00) µs", "8.00 µs"}, 1},
		{lines.SVG(), []string{"growth", "names", "1 k", "10 M", "ptrd"}, -1},
		{(&Lines{Title: "nothing"}).SVG(), []string{"nothing"}, -1},
	} {
		var texts []string
		paths := 0
		for d := xml.NewDecoder(strings.NewReader(tt.svg)); ; {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v\n%s", err, tt.svg)
			}
			switch tok := tok.(type) {
			case xml.CharData:
				texts = append(texts, string(tok))
			case xml.StartElement:
				if tok.Name.Local == "path" {
					paths++
				}
			}
		}
		for _, want := range tt.texts {
			if !strings.Contains(strings.Join(texts, "\n"), want) {
				t.Errorf("%q is not in the chart", want)
			}
		}
		if tt.paths >= 0 && paths != tt.paths {
			t.Errorf("%d paths, want %d", paths, tt.paths)
		}
		if strings.Contains(tt.svg, "NaN") || strings.Contains(tt.svg, "Inf") {
			t.Errorf("not a number in\n%s", tt.svg)
		}
	}
}

// TestAxes: both ends of an axis are marked, the values lie between them, and a chart has
// some marks, but no crowd.
func TestAxes(t *testing.T) {
	for _, v := range [][2]float64{{1, 10}, {1.09, 1.25}, {13.7, 84.8}, {0.0087, 1.27}, {1, 1e6}, {3, 3}, {1000, 1e7}} {
		for name, a := range map[string]axis{"logarithmic": logarithmic(v[0], v[1], 300, 20), "from zero": fromZero(v[1], 300, 20)} {
			first, last := a.ticks[0], a.ticks[len(a.ticks)-1]
			if a.at(first) != 300 || a.at(last) != 20 || first > v[0] || last < v[1]*(1-1e-9) || len(a.ticks) < 2 || len(a.ticks) > 10 {
				t.Errorf("%v, %s: %v, from %v to %v", v, name, a.ticks, a.at(first), a.at(last))
			}
		}
	}
}

// TestApart: names that would lie over each other do not.
func TestApart(t *testing.T) {
	ends := apart([]lineEnd{{name: "c", y: 101}, {name: "a", y: 100}, {name: "d", y: 200}, {name: "b", y: 100}})
	text := ""
	for i, e := range ends {
		text += e.name
		if i > 0 && e.y-ends[i-1].y < 15.9 {
			t.Errorf("%v", ends)
		}
	}
	if text != "abcd" || ends[3].y != 200 {
		t.Errorf("%v", ends)
	}
}
