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
