package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// style makes charts readable on light and dark pages alike.
const style = `<style>
text { font: 12px sans-serif; fill: #24292f; }
.title { font-weight: bold; font-size: 14px; }
.axis { stroke: #8c959f; stroke-width: 1; fill: none; }
.grid { stroke: #8c959f; stroke-width: 1; stroke-opacity: .3; fill: none; }
.s0 { fill: #0969da; stroke: #0969da; } .s1 { fill: #bf8700; stroke: #bf8700; } .s2 { fill: #1a7f37; stroke: #1a7f37; }
.s3 { fill: #8250df; stroke: #8250df; } .s4 { fill: #cf222e; stroke: #cf222e; } .s5 { fill: #57606a; stroke: #57606a; }
.line { fill: none; stroke-width: 2; }
.spread { stroke: #24292f; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .spread { stroke: #e6edf3; }
.s0 { fill: #58a6ff; stroke: #58a6ff; } .s1 { fill: #d29922; stroke: #d29922; } .s2 { fill: #3fb950; stroke: #3fb950; }
.s3 { fill: #bc8cff; stroke: #bc8cff; } .s4 { fill: #ff7b72; stroke: #ff7b72; } .s5 { fill: #8b949e; stroke: #8b949e; }
}
</style>
`

// colours is how many series have one of their own.
const colours = 6

// svg begins a drawing.
func svg(width, height int, title string) *strings.Builder {
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %[1]d %[2]d\" role=\"img\" aria-label=\"%s\">\n%s", width, height, html.EscapeString(title), style)
	label(&b, "title", 10, 20, "start", title)
	return &b
}

// label writes text; anchor is start, middle or end.
func label(b *strings.Builder, class string, x, y float64, anchor, text string) {
	fmt.Fprintf(b, "<text class=%q x=\"%.1f\" y=\"%.1f\" text-anchor=%q>%s</text>\n", class, x, y, anchor, html.EscapeString(text))
}

// Bar is one bar of a Bars.
type Bar struct {
	Name  string
	Value Summary
	Mark  bool // drawn in the first colour, the others in grey
}

// Bars is a chart of horizontal bars in groups, from a common zero.
type Bars struct {
	Title  string
	Unit   string
	Groups []BarGroup
}

// BarGroup is some bars with a common scale.
type BarGroup struct {
	Name string
	Bars []Bar
}

// SVG returns the chart. Each group has a scale of its own, for groups may lie far
// apart; each bar has its figures behind it, and a line from the least to the greatest run.
func (c *Bars) SVG() string {
	const width, left, right, step, gap = 760, 130, 150, 20, 30
	height := 40
	for _, g := range c.Groups {
		height += gap + step*len(g.Bars)
	}
	b := svg(width, height, c.Title)
	y := 40.0
	for _, g := range c.Groups {
		label(b, "", 10, y+8, "start", g.Name)
		y += 16
		most := 0.0
		for _, v := range g.Bars {
			most = max(most, v.Value.Max)
		}
		scale := float64(width-left-right) / max(most, 1e-9)
		for _, v := range g.Bars {
			class := "s5"
			if v.Mark {
				class = "s0"
			}
			label(b, "", left-8, y+13, "end", v.Name)
			fmt.Fprintf(b, "<rect class=%q x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"14\"/>\n", class, left, y+2, v.Value.Median*scale)
			if v.Value.N > 1 {
				fmt.Fprintf(b, "<path class=\"spread\" d=\"M%.1f %.1fH%.1f\"/>\n", left+v.Value.Min*scale, y+9, left+v.Value.Max*scale)
			}
			label(b, "", left+v.Value.Max*scale+8, y+13, "start", v.Value.String()+" "+c.Unit)
			y += step
		}
		y += gap - 16
	}
	return b.String() + "</svg>\n"
}

// Point is one measured point of a line.
type Point struct{ X, Y float64 }

// Series is one line of a Lines.
type Series struct {
	Name   string
	Points []Point // by X
}

// Lines is a chart of lines over two logarithmic axes: a straight line upwards is
// growth by a power.
type Lines struct {
	Title        string
	XName, YName string
	Series       []Series
}

// SVG returns the chart. Values of zero and below have no place on it and are left out.
func (c *Lines) SVG() string {
	const width, height, left, right, top, bottom = 760, 360, 70, 150, 40, 50
	x0, x1 := math.Inf(1), math.Inf(-1)
	y0, y1 := x0, x1
	for _, s := range c.Series {
		for _, p := range s.Points {
			if p.X > 0 && p.Y > 0 {
				x0, x1 = min(x0, p.X), max(x1, p.X)
				y0, y1 = min(y0, p.Y), max(y1, p.Y)
			}
		}
	}
	if x0 > x1 {
		x0, x1, y0, y1 = 1, 10, 1, 10
	}
	// The axes end at powers of ten, and show one of them at least.
	lx0, lx1 := math.Floor(math.Log10(x0)), math.Ceil(math.Log10(x1))
	ly0, ly1 := math.Floor(math.Log10(y0)), math.Ceil(math.Log10(y1))
	lx1, ly1 = max(lx1, lx0+1), max(ly1, ly0+1)
	atX := func(x float64) float64 {
		return left + (math.Log10(x)-lx0)/(lx1-lx0)*(width-left-right)
	}
	atY := func(y float64) float64 {
		return height - bottom - (math.Log10(y)-ly0)/(ly1-ly0)*(height-top-bottom)
	}
	b := svg(width, height, c.Title)
	for e := lx0; e <= lx1; e++ {
		x := atX(math.Pow(10, e))
		fmt.Fprintf(b, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>\n", x, top, height-bottom)
		label(b, "", x, height-bottom+18, "middle", power(e))
	}
	for e := ly0; e <= ly1; e++ {
		y := atY(math.Pow(10, e))
		fmt.Fprintf(b, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>\n", left, y, width-right)
		label(b, "", left-8, y+4, "end", power(e))
	}
	fmt.Fprintf(b, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", left, top, height-bottom, width-right)
	label(b, "", (left+width-right)/2, height-12, "middle", c.XName)
	label(b, "", 10, top-6, "start", c.YName)
	for i, s := range c.Series {
		class := fmt.Sprintf("s%d", i%colours)
		var path strings.Builder
		var last Point
		for _, p := range s.Points {
			if p.X <= 0 || p.Y <= 0 {
				continue
			}
			op := "L"
			if path.Len() == 0 {
				op = "M"
			}
			fmt.Fprintf(&path, "%s%.1f %.1f", op, atX(p.X), atY(p.Y))
			fmt.Fprintf(b, "<circle class=%q cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n", class, atX(p.X), atY(p.Y))
			last = p
		}
		if path.Len() > 0 {
			fmt.Fprintf(b, "<path class=\"line %s\" style=\"fill:none\" d=%q/>\n", class, path.String())
			label(b, "", width-right+8, atY(last.Y)+4, "start", s.Name)
		}
	}
	return b.String() + "</svg>\n"
}

// power returns a power of ten as one reads it.
func power(e float64) string {
	switch {
	case e >= 9:
		return fmt.Sprintf("%.0f G", math.Pow(10, e-9))
	case e >= 6:
		return fmt.Sprintf("%.0f M", math.Pow(10, e-6))
	case e >= 3:
		return fmt.Sprintf("%.0f k", math.Pow(10, e-3))
	case e >= 0:
		return fmt.Sprintf("%.0f", math.Pow(10, e))
	}
	return fmt.Sprintf("%.*f", int(-e), math.Pow(10, e))
}
