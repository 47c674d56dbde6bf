package report

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"
)

// style makes charts readable on light and dark pages alike.
const style = `<style>
text { font: 12px sans-serif; fill: #24292f; }
.title { font-weight: bold; font-size: 14px; }
.axis { stroke: #8c959f; stroke-width: 1; fill: none; }
.grid { stroke: #8c959f; stroke-width: 1; stroke-opacity: .3; fill: none; }
.s0 { fill: #0969da; stroke: #0969da; } .s1 { fill: #bf8700; stroke: #bf8700; } .s2 { fill: #1a7f37; stroke: #1a7f37; }
.s3 { fill: #8250df; stroke: #8250df; } .s4 { fill: #cf222e; stroke: #cf222e; } .s5 { fill: #bf3989; stroke: #bf3989; }
.line { fill: none; stroke-width: 2; }
.others { fill: #afb8c1; stroke: none; }
.spread { stroke: #24292f; stroke-width: 1.5; fill: none; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .others { fill: #57606a; } .spread { stroke: #e6edf3; }
.s0 { fill: #58a6ff; stroke: #58a6ff; } .s1 { fill: #d29922; stroke: #d29922; } .s2 { fill: #3fb950; stroke: #3fb950; }
.s3 { fill: #bc8cff; stroke: #bc8cff; } .s4 { fill: #ff7b72; stroke: #ff7b72; } .s5 { fill: #ff80c8; stroke: #ff80c8; }
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
			class := "others"
			if v.Mark {
				class = "s0"
			}
			label(b, "", left-8, y+13, "end", v.Name)
			fmt.Fprintf(b, "<rect class=%q x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"14\"/>\n", class, left, y+2, v.Value.Median*scale)
			if v.Value.N > 1 {
				x0, x1 := left+v.Value.Min*scale, left+v.Value.Max*scale
				fmt.Fprintf(b, "<path class=\"spread\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv8M%.1f %.1fv8\"/>\n", x0, y+9, x1, x0, y+5, x1, y+5)
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

// Lines is a chart of lines over a logarithmic axis. The other one is logarithmic as
// well, on which a straight line upwards is growth by a power; or FromZero, for
// what hardly grows.
type Lines struct {
	Title        string
	XName, YName string
	FromZero     bool
	Series       []Series
}

// SVG returns the chart. Values of zero and below have no place on it and are left out.
func (c *Lines) SVG() string {
	const width, height, left, right, top, bottom = 760, 360, 70, 150, 56, 50
	x0, x1 := math.Inf(1), math.Inf(-1)
	y0, y1 := x0, x1
	for _, s := range c.Series {
		for _, p := range s.visible() {
			x0, x1 = min(x0, p.X), max(x1, p.X)
			y0, y1 = min(y0, p.Y), max(y1, p.Y)
		}
	}
	if x0 > x1 {
		x0, x1, y0, y1 = 1, 10, 1, 10
	}
	xs, ys := logarithmic(x0, x1, left, width-right), logarithmic(y0, y1, height-bottom, top)
	if c.FromZero {
		ys = fromZero(y1, height-bottom, top)
	}
	b := svg(width, height, c.Title)
	for _, v := range xs.ticks {
		x := xs.at(v)
		fmt.Fprintf(b, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>\n", x, top, height-bottom)
		label(b, "", x, height-bottom+18, "middle", short(v))
	}
	for _, v := range ys.ticks {
		y := ys.at(v)
		fmt.Fprintf(b, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>\n", left, y, width-right)
		label(b, "", left-8, y+4, "end", short(v))
	}
	fmt.Fprintf(b, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", left, top, height-bottom, width-right)
	label(b, "", (left+width-right)/2, height-12, "middle", c.XName)
	label(b, "", 10, top-16, "start", c.YName)
	var ends []lineEnd
	for i, s := range c.Series {
		points := s.visible()
		if len(points) == 0 {
			continue
		}
		class := fmt.Sprintf("s%d", i%colours)
		var path strings.Builder
		for k, p := range points {
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(k, 1)], xs.at(p.X), ys.at(p.Y))
			fmt.Fprintf(b, "<circle class=%q cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n", class, xs.at(p.X), ys.at(p.Y))
		}
		fmt.Fprintf(b, "<path class=\"line %s\" style=\"fill:none\" d=%q/>\n", class, path.String())
		ends = append(ends, lineEnd{s.Name, class, ys.at(points[len(points)-1].Y)})
	}
	for _, e := range apart(ends) {
		fmt.Fprintf(b, "<path class=\"line %s\" style=\"fill:none\" d=\"M%d %.1fh14\"/>\n", e.class, width-right+10, e.y)
		label(b, "", width-right+30, e.y+4, "start", e.name)
	}
	return b.String() + "</svg>\n"
}

// visible returns the points that have a place on logarithmic axes.
func (s *Series) visible() []Point {
	return slices.DeleteFunc(slices.Clone(s.Points), func(p Point) bool { return p.X <= 0 || p.Y <= 0 })
}

// lineEnd is the name of a line and where it belongs.
type lineEnd struct {
	name, class string
	y           float64
}

// apart returns the names from the top down, as far from each other as reading takes.
func apart(ends []lineEnd) []lineEnd {
	const step = 16
	slices.SortStableFunc(ends, func(a, b lineEnd) int { return cmp.Compare(a.y, b.y) })
	// Those that are too close to each other share their room around their middle.
	for moved := true; moved; {
		moved = false
		for i := 1; i < len(ends); i++ {
			if lack := step - (ends[i].y - ends[i-1].y); lack > 0.01 {
				ends[i-1].y -= lack / 2
				ends[i].y += lack / 2
				moved = true
			}
		}
	}
	return ends
}

// axis is where values are on a drawing, and which of them are labelled.
type axis struct {
	at    func(float64) float64
	ticks []float64
}

// logarithmic returns an axis from a to b that ends at powers of ten, or where it
// would have one or two of them only, at 1, 2 or 5 times those.
func logarithmic(least, most, a, b float64) axis {
	marks := func(steps []float64) (ticks []float64) {
		for e := math.Floor(math.Log10(least)); e <= math.Ceil(math.Log10(most)); e++ {
			for _, s := range steps {
				ticks = append(ticks, s*math.Pow(10, e))
			}
		}
		// The last one that is not above the least, to the first that is not below the most.
		const tolerance = 1 + 1e-9
		for len(ticks) > 2 && ticks[1] <= least*tolerance {
			ticks = ticks[1:]
		}
		for len(ticks) > 2 && ticks[len(ticks)-2]*tolerance >= most {
			ticks = ticks[:len(ticks)-1]
		}
		return ticks
	}
	ticks := marks([]float64{1})
	if len(ticks) < 4 {
		ticks = marks([]float64{1, 2, 5})
	}
	l0, l1 := math.Log10(ticks[0]), math.Log10(ticks[len(ticks)-1])
	return axis{func(v float64) float64 { return a + (math.Log10(v)-l0)/(l1-l0)*(b-a) }, ticks}
}

// fromZero returns an axis from zero at a to the most, or somewhat more, at b.
func fromZero(most, a, b float64) axis {
	step := math.Pow(10, math.Floor(math.Log10(most)))
	for most/step < 4 {
		step /= 2
	}
	var ticks []float64
	n := math.Ceil(most/step - 1e-9)
	for i := range int(n) + 1 {
		ticks = append(ticks, float64(i)*step)
	}
	return axis{func(v float64) float64 { return a + v/(n*step)*(b-a) }, ticks}
}

// short returns a number as the label of an axis.
func short(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if v >= unit.size*(1-1e-9) {
			return strconv.FormatFloat(v/unit.size, 'g', 4, 64) + unit.name
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
