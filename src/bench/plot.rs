//! A line plot as SVG text, for reports that need no other file.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;

/// Colours that are told apart by people who see fewer of them as well (Okabe and Ito).
const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f",
];

/// How values are laid out along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from 0.
    Linear,
    /// By magnitude.
    Log,
    /// Percentiles: each step towards 100 that leaves a tenth takes the same room.
    Percentile,
}

/// One axis.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// What it shows, with its unit.
    pub name: &'static str,
    /// How.
    pub scale: Scale,
}

/// One line.
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// Draws it. Points that have no place on a scale are left out; without any there is no plot.
pub fn svg(title: &str, x: Axis, y: Axis, series: &[Series]) -> Option<String> {
    let placed: Vec<Vec<(f64, f64)>> = series
        .iter()
        .map(|series| {
            let place = |(px, py): &(f64, f64)| Some((place(x.scale, *px)?, place(y.scale, *py)?));
            series.points.iter().filter_map(place).collect()
        })
        .collect();
    let all = || placed.iter().flatten();
    let x_range = Range::over(x.scale, all().map(|point| point.0))?;
    let y_range = Range::over(y.scale, all().map(|point| point.1))?;
    let at_x = |value: f64| LEFT + x_range.part(value) * (WIDTH - LEFT - RIGHT);
    let at_y = |value: f64| HEIGHT - BOTTOM - y_range.part(value) * (HEIGHT - TOP - BOTTOM);

    let mut out = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    // Writing to a String can't fail.
    let _ = write!(
        out,
        "<text class=\"title\" x=\"{LEFT}\" y=\"18\">{}</text>",
        escape(title)
    );
    for (value, text) in ticks(x.scale, &x_range) {
        let at = at_x(value);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 16.0
        );
    }
    for (value, text) in ticks(y.scale, &y_range) {
        let at = at_y(value);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0
        );
    }
    let _ = write!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
         <text x=\"14\" y=\"{:.1}\" transform=\"rotate(-90 14 {:.1})\" text-anchor=\"middle\">{}</text>",
        WIDTH - RIGHT,
        HEIGHT - 12.0,
        escape(x.name),
        HEIGHT / 2.0,
        HEIGHT / 2.0,
        escape(y.name)
    );
    for (i, (series, points)) in series.iter().zip(&placed).enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let line: Vec<String> = points
            .iter()
            .map(|(px, py)| format!("{:.1},{:.1}", at_x(*px), at_y(*py)))
            .collect();
        let _ = write!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" points=\"{}\"/>",
            line.join(" ")
        );
        if let [only] = points.as_slice() {
            let _ = write!(
                out,
                "<circle fill=\"{colour}\" r=\"3\" cx=\"{:.1}\" cy=\"{:.1}\"/>",
                at_x(only.0),
                at_y(only.1)
            );
        }
        let _ = write!(
            out,
            "<text fill=\"{colour}\" class=\"key\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT + 10.0,
            TOP + 14.0 + 15.0 * i as f64,
            escape(&series.name)
        );
    }
    out.push_str("</svg>");
    Some(out)
}

/// Text that may stand in HTML and SVG.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Where a value is on a scale, before it is fitted into the plot.
fn place(scale: Scale, value: f64) -> Option<f64> {
    let placed = match scale {
        Scale::Linear => value,
        Scale::Log => value.log10(),
        Scale::Percentile => -((100.0 - value) / 100.0).log10(),
    };
    placed.is_finite().then_some(placed)
}

struct Range {
    low: f64,
    high: f64,
}

impl Range {
    fn over(scale: Scale, values: impl Iterator<Item = f64> + Clone) -> Option<Range> {
        let low = values.clone().reduce(f64::min)?;
        let high = values.reduce(f64::max)?;
        let (low, high) = match scale {
            Scale::Linear => (low.min(0.0), high),
            Scale::Log => (low.floor(), high.ceil()),
            Scale::Percentile => (0.0, high.ceil()),
        };
        let high = if high > low { high } else { low + 1.0 };
        Some(Range { low, high })
    }

    fn part(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }
}

/// Marks along an axis: place and text.
fn ticks(scale: Scale, range: &Range) -> Vec<(f64, String)> {
    let magnitudes = || (range.low as i32)..=(range.high as i32);
    match scale {
        Scale::Linear => {
            let rough = (range.high - range.low) / 5.0;
            let magnitude = 10f64.powf(rough.log10().floor());
            let step = [1.0, 2.0, 5.0, 10.0]
                .map(|factor| factor * magnitude)
                .into_iter()
                .find(|step| *step >= rough)
                .unwrap_or(rough);
            let count = ((range.high - range.low) / step).floor() as i32;
            let mark = |i: i32| range.low + f64::from(i) * step;
            (0..=count).map(|i| (mark(i), number(mark(i)))).collect()
        }
        Scale::Log => magnitudes()
            .map(|power| (f64::from(power), number(10f64.powi(power))))
            .collect(),
        Scale::Percentile => magnitudes()
            .map(|nines| {
                let percentile = 100.0 - 100.0 / 10f64.powi(nines);
                let decimals = usize::try_from(nines - 2).unwrap_or(0);
                (f64::from(nines), format!("{percentile:.decimals$}%"))
            })
            .collect(),
    }
}

fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1e6 {
        format!("{}M", value / 1e6)
    } else if size >= 1e4 {
        format!("{}k", value / 1e3)
    } else {
        // No more digits than the steps of an axis have.
        format!("{}", (value * 1e6).round() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: Axis = Axis {
        name: "seconds",
        scale: Scale::Linear,
    };

    #[test]
    fn lines_stay_inside_and_names_are_escaped() {
        let series = [Series {
            name: "a<b".to_string(),
            points: vec![(0.0, 0.1), (1.0, 100.0), (2.0, 0.0)],
        }];
        let y = Axis {
            name: "ms",
            scale: Scale::Log,
        };
        let svg = svg("p99", X, y, &series).expect("there are points");
        assert!(svg.contains("a&lt;b") && svg.contains(">0.1<") && svg.contains(">100<"));
        // Zero has no place on a logarithmic scale: two points are left, at the bottom left and the top.
        assert!(svg.contains("points=\"70.0,254.0 700.0,34.0\""), "{svg}");
    }

    #[test]
    fn percentiles_come_closer_to_100_step_by_step() {
        let marks = ticks(Scale::Percentile, &Range { low: 0.0, high: 4.0 });
        let texts: Vec<&str> = marks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["0%", "90%", "99%", "99.9%", "99.99%"]);
        assert_eq!(place(Scale::Percentile, 100.0), None);
    }

    #[test]
    fn without_points_there_is_no_plot() {
        assert!(svg("nothing", X, X, &[]).is_none());
    }
}
