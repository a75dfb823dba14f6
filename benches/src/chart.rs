//! Bar charts as SVG, drawn by hand: a name, a bar on a logarithmic scale, the figure.

use crate::row::Kind;
use std::fmt::Write;

pub struct Bar {
    pub name: String,
    pub kind: Kind,
    pub value: f64,
}

/// A chart of positive figures.
pub fn bars(title: &str, unit: &str, bars: &[Bar]) -> String {
    let least = bars.iter().map(|b| b.value).fold(f64::INFINITY, f64::min) / 2.0;
    let most = bars.iter().map(|b| b.value).fold(0.0, f64::max);
    let height = 50 + bars.len() * 22;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 820 {height}\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"820\" height=\"{height}\" fill=\"white\"/>\n<text x=\"10\" y=\"22\" font-size=\"15\">{}, {unit} (logarithmic)</text>\n",
        escaped(title)
    );
    for (at, bar) in bars.iter().enumerate() {
        let y = 38 + at * 22;
        let width = (bar.value / least).ln() / (most / least).ln() * 420.0;
        let colour = match bar.kind {
            Kind::Ours => "#2f6fb0",
            Kind::Peer => "#b9bec5",
            Kind::Floor => "#6aa56a",
        };
        let _ = writeln!(svg, "<text x=\"260\" y=\"{}\" text-anchor=\"end\">{}</text>", y + 14, escaped(&bar.name));
        let _ = writeln!(svg, "<rect x=\"270\" y=\"{y}\" width=\"{width:.1}\" height=\"18\" fill=\"{colour}\"/>");
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{}\">{}</text>", 276.0 + width, y + 14, number(bar.value));
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Three digits that matter.
pub fn number(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// A chart of curves, both axes logarithmic: each has a name, and points of positive coordinates.
pub fn curves(title: &str, unit: &str, curves: &[(&str, Vec<(f64, f64)>)]) -> String {
    const COLOURS: [&str; 6] = ["#2f6fb0", "#6aa56a", "#c0504d", "#8064a2", "#b9bec5", "#d79b3a"];
    let all = || curves.iter().flat_map(|(_, points)| points).filter(|(x, y)| *x > 0.0 && *y > 0.0);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let values = || all().map(of);
        (values().fold(f64::INFINITY, f64::min).log10().floor(), values().fold(0.0, f64::max).log10().ceil())
    };
    let ((left, right), (low, high)) = (range(|p| p.0), range(|p| p.1));
    let (wide, tall) = ((right - left).max(1.0), (high - low).max(1.0));
    let x = |value: f64| 70.0 + (value.log10() - left) / wide * 470.0;
    let y = |value: f64| 300.0 - (value.log10() - low) / tall * 250.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 820 340\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"820\" height=\"340\" fill=\"white\"/>\n<text x=\"10\" y=\"22\" font-size=\"15\">{}, {} (both logarithmic)</text>\n",
        escaped(title),
        escaped(unit)
    );
    for power in low as i32..=high as i32 {
        let (value, at) = (10f64.powi(power), y(10f64.powi(power)));
        let _ = writeln!(svg, "<line x1=\"70\" y1=\"{at:.1}\" x2=\"540\" y2=\"{at:.1}\" stroke=\"#e3e6ea\"/>");
        let _ = writeln!(svg, "<text x=\"62\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>", at + 4.0);
    }
    for power in left as i32..=right as i32 {
        let (value, at) = (10f64.powi(power), x(10f64.powi(power)));
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"322\" text-anchor=\"middle\">{value}</text>");
    }
    for (at, (name, points)) in curves.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let points = points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0);
        let points: Vec<String> = points.map(|(px, py)| format!("{:.1},{:.1}", x(*px), y(*py))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
        let legend = 60 + at * 22;
        let _ = writeln!(svg, "<rect x=\"570\" y=\"{}\" width=\"14\" height=\"4\" fill=\"{colour}\"/>", legend - 6);
        let _ = writeln!(svg, "<text x=\"592\" y=\"{legend}\">{}</text>", escaped(name));
    }
    svg.push_str("</svg>\n");
    svg
}
