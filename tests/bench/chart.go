package main

import (
	"errors"
	"image/color"
	"os"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A dot is a ratio in the chart.
type dot struct {
	series string
	row    int
	ratio  spread
}

// colours are those of the subjects, in the order of the legend. Subjects that are not here are
// conditions of zmqio, and have rows of their own.
var colours = []struct {
	name   string
	colour color.RGBA
}{
	{ours, color.RGBA{0xd6, 0x27, 0x28, 0xff}},
	{fewerCycles, color.RGBA{0xf7, 0x94, 0x94, 0xff}},
	{borrowing, color.RGBA{0xbc, 0xbd, 0x22, 0xff}},
	{filtering, color.RGBA{0x9e, 0xda, 0xe5, 0xff}},
	{zmqioBatched, color.RGBA{0x8c, 0x10, 0x2a, 0xff}},
	{zmqioBatch, color.RGBA{0x17, 0x60, 0x2a, 0xff}},
	{zmqioBatchCPUs, color.RGBA{0xb5, 0xcf, 0x6b, 0xff}},
	{scraped, color.RGBA{0x9e, 0x6b, 0x1f, 0xff}},
	{zmqioBatchContext, color.RGBA{0x6b, 0xc4, 0x7d, 0xff}},
	{zmqioWrite, color.RGBA{0xff, 0x7f, 0x0e, 0xff}},
	{zmqioContext, color.RGBA{0xe3, 0x77, 0xc2, 0xff}},
	{streaming, color.RGBA{0x39, 0x3b, 0x79, 0xff}},
	{calling, color.RGBA{0xad, 0x49, 0x4a, 0xff}},
	{inC, color.RGBA{0x11, 0x11, 0x11, 0xff}},
	{inCNoCopy, color.RGBA{0x7f, 0x7f, 0x7f, 0xff}},
	{pebbe, color.RGBA{0x1f, 0x77, 0xb4, 0xff}},
	{reactor, color.RGBA{0x17, 0xbe, 0xcf, 0xff}},
	{goZeromq, color.RGBA{0x2c, 0xa0, 0x2c, 0xff}},
	{aiozmq, color.RGBA{0x94, 0x67, 0xbd, 0xff}},
	{plainGo, color.RGBA{0x00, 0x6d, 0x5b, 0xff}},
	{asyncio, color.RGBA{0xff, 0xd4, 0x3b, 0xff}},
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

// rowsAndDots returns the rows of the chart, one for each case or condition, and their ratios.
func rowsAndDots(r *report) (rows []string, dots []dot) {
	for _, c := range r.Cases {
		for _, s := range c.Subjects { // unpinned ones first
			if s.Ratio == nil {
				continue
			}
			row, series := c.Name, s.Name
			if !known(series) {
				row, series = row+"/"+series, ours
			}
			row += " to " + c.Base
			if s.Placement == pinned {
				row += ", pinned"
			}
			if len(rows) == 0 || rows[len(rows)-1] != row {
				rows = append(rows, row)
			}
			dots = append(dots, dot{series, len(rows) - 1, c.speed(s)})
		}
	}
	for i := range dots { // the axis begins at the bottom, and the first case is at the top
		dots[i].row = len(rows) - 1 - dots[i].row
	}
	slices.Reverse(rows)
	return rows, dots
}

// speed returns the ratio of a subject, or its inverse if a smaller value is better.
func (res *caseResult) speed(s *subjectResult) spread {
	if res.benchCase.Unit.less {
		return spread{1 / s.Ratio.Median, 1 / s.Ratio.Max, 1 / s.Ratio.Min}
	}
	return *s.Ratio
}

const (
	chartWidth  = 880
	legendWidth = 130
	rowHeight   = 15
)

// drawChart writes the chart of r to an SVG file. A report without ratios gives an empty chart.
func drawChart(r *report, file string) error {
	rows, dots := rowsAndDots(r)
	p := newPlot(rows)
	legend := plot.NewLegend()
	legend.Top, legend.Left = true, true
	for _, c := range colours {
		points := pointsOf(dots, c.name)
		if len(points.XYs) == 0 {
			continue
		}
		glyphs, err := addSeries(p, c.colour, points)
		if err != nil {
			return err
		}
		legend.Add(c.name, glyphs)
	}
	height := vg.Points(70 + float64(len(rows))*rowHeight)
	svg := vgsvg.New(vg.Points(chartWidth), height)
	all := draw.New(svg)
	all.SetColor(color.White)
	all.Fill(all.Rectangle.Path())
	legend.Draw(draw.Crop(all, vg.Points(chartWidth-legendWidth), -5, 0, -25))
	p.Draw(draw.Crop(all, 5, -vg.Points(legendWidth+15), 5, -5))
	return writeSVG(svg, file)
}

// newPlot returns a plot with axes and a grid.
func newPlot(rows []string) *plot.Plot {
	p := plot.New()
	p.Title.Text = "Speed relative to the base, to the right is better: median, smallest and largest of the rounds"
	p.Title.TextStyle.Font.Size = font.Points(11)
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.ConstantTicks(ticks())
	p.X.Min, p.X.Max = 0.5, 2 // dots beyond widen it
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xe0}, color.Gray{0xd0}
	p.Add(grid)
	if len(rows) > 0 {
		p.NominalY(rows...)
	}
	p.Y.Min, p.Y.Max = -0.5, float64(len(rows))-0.5
	return p
}

// ticks returns 1, 2 and 5 times the powers of ten.
func ticks() (all []plot.Tick) {
	for _, power := range []float64{1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100} {
		for _, digit := range []float64{1, 2, 5} {
			v := digit * power
			all = append(all, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', -1, 64)})
		}
	}
	return all
}

func writeSVG(svg *vgsvg.Canvas, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = svg.WriteTo(f)
	return errors.Join(err, f.Close())
}

// points has the dots of one series in the form that plotters take.
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

// addSeries draws points, and returns their mark for the legend.
func addSeries(p *plot.Plot, colour color.Color, points points) (*plotter.Scatter, error) {
	glyphs, err := plotter.NewScatter(points.XYs)
	if err != nil {
		return nil, err
	}
	glyphs.GlyphStyle = draw.GlyphStyle{Color: colour, Radius: vg.Points(3), Shape: draw.CircleGlyph{}}
	bars, err := plotter.NewXErrorBars(points)
	if err != nil {
		return nil, err
	}
	bars.Color = colour
	p.Add(bars, glyphs)
	return glyphs, nil
}
