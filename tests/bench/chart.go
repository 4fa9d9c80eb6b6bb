package main

import (
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A dot is a ratio in the chart.
type dot struct {
	series string
	row    int
	ratio  spread
}

// colours of the subjects, which the chart shows in this order. What is not here is
// zmqio under several conditions, and has rows of its own.
var colours = []struct {
	name   string
	colour color.RGBA
}{
	{ours, color.RGBA{0xd6, 0x27, 0x28, 0xff}},
	{zmqioBatched, color.RGBA{0xd6, 0x27, 0x28, 0xff}},
	{"zmqio-write", color.RGBA{0xff, 0x7f, 0x0e, 0xff}},
	{"zmqio-context", color.RGBA{0xe3, 0x77, 0xc2, 0xff}},
	{inC, color.RGBA{0x11, 0x11, 0x11, 0xff}},
	{inCNoCopy, color.RGBA{0x7f, 0x7f, 0x7f, 0xff}},
	{pebbe, color.RGBA{0x1f, 0x77, 0xb4, 0xff}},
	{reactor, color.RGBA{0x17, 0xbe, 0xcf, 0xff}},
	{goZeromq, color.RGBA{0x2c, 0xa0, 0x2c, 0xff}},
	{aiozmq, color.RGBA{0x94, 0x67, 0xbd, 0xff}},
	{pyzmq, color.RGBA{0x8c, 0x56, 0x4b, 0xff}},
}

func known(series string) bool {
	for _, c := range colours {
		if c.name == series {
			return true
		}
	}
	return false
}

// rowsAndDots lays the ratios out, a row for a case, or for a condition of one.
func rowsAndDots(r *report) (rows []string, dots []dot) {
	for _, c := range r.Cases {
		for _, s := range c.Subjects {
			if s.Ratio == nil {
				continue
			}
			row, series := c.Name+" to "+c.Base, s.Name
			if !known(series) {
				row, series = c.Name+"/"+s.Name+" to "+c.Base, ours
			}
			if len(rows) == 0 || rows[len(rows)-1] != row {
				rows = append(rows, row)
			}
			dots = append(dots, dot{series, len(rows) - 1, *s.Ratio})
		}
	}
	for i := range dots { // the first row at the top
		dots[i].row = len(rows) - 1 - dots[i].row
	}
	slices.Reverse(rows)
	return rows, dots
}

// drawChart draws all ratios, with their smallest and largest, into an SVG file. Without any
// it draws an empty chart.
func drawChart(r *report, file string) error {
	rows, dots := rowsAndDots(r)
	p := plot.New()
	p.Title.Text = "Ratios, round by round: median, smallest and largest (log scale; times are better to the left)"
	p.Title.TextStyle.Font.Size = font.Points(11)
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.X.Min, p.X.Max = 0.5, 2
	p.Legend.Top = true
	p.Legend.XOffs = vg.Points(90)
	grid := plotter.NewGrid()
	grid.Horizontal.Color = color.Gray{0xe0}
	p.Add(grid)
	for _, c := range colours {
		points := pointsOf(dots, c.name)
		if len(points.XYs) == 0 {
			continue
		}
		if err := addSeries(p, c.name, c.colour, points); err != nil {
			return err
		}
	}
	if len(rows) > 0 {
		p.NominalY(rows...)
	}
	p.Y.Min, p.Y.Max = -0.5, float64(len(rows))-0.5
	return p.Save(vg.Points(860), vg.Points(100+float64(len(rows))*15), file)
}

// points are dots of one series as the plotters want them.
type points struct {
	plotter.XYs
	plotter.XErrors
}

func pointsOf(dots []dot, series string) (p points) {
	for _, d := range dots {
		if d.series == series && d.ratio.Min > 0 {
			p.XYs = append(p.XYs, plotter.XY{X: d.ratio.Median, Y: float64(d.row)})
			p.XErrors = append(p.XErrors, struct{ Low, High float64 }{d.ratio.Median - d.ratio.Min, d.ratio.Max - d.ratio.Median})
		}
	}
	return p
}

func addSeries(p *plot.Plot, name string, colour color.Color, points points) error {
	dots, err := plotter.NewScatter(points.XYs)
	if err != nil {
		return err
	}
	dots.GlyphStyle = draw.GlyphStyle{Color: colour, Radius: vg.Points(3), Shape: draw.CircleGlyph{}}
	bars, err := plotter.NewXErrorBars(points)
	if err != nil {
		return err
	}
	bars.Color = colour
	p.Add(bars, dots)
	p.Legend.Add(name, dots)
	return nil
}
