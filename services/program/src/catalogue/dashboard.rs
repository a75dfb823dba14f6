//! A dashboard of Grafana for the metrics of a catalogue: for each what one asks first of its kind.
//!
//! | kind | panels |
//! |---|---|
//! | counter | increments a second |
//! | gauge, in flight | the value of each process |
//! | timer, histogram | quantiles; calls a second |
//! | … with the label `outcome` | the part that failed, too |

use super::metric::{Catalogue, Metric};
use super::promql::Asked;
use crate::outcome::{Failure, Result};
use crate::text::visible;
use ferrometer::backend::Kind;
use serde_json::{Value, json};

/// Columns of Grafana's grid, and the size of a panel in it.
const COLUMNS: usize = 24;
const WIDTH: usize = 8;
const HEIGHT: usize = 8;
/// Grafana takes at most this many characters of a uid.
const UID: usize = 40;
const TITLE: usize = 100;

/// Returns the dashboard.
pub(super) fn of(all: &Catalogue, title: &str, prefix: &str) -> Result<Value> {
    let title = title.trim();
    if title.is_empty() || title.chars().count() > TITLE {
        return Err(Failure::Usage(format!(
            "--title: found {} characters, expected 1 to {TITLE}",
            title.chars().count()
        )));
    }
    let mut grid = Grid::default();
    let mut group = None;
    for metric in all.values() {
        let Some(asked) = Asked::new(metric, prefix) else { continue };
        let here = group_of(&metric.name);
        if group.as_deref() != Some(here) {
            grid.row(here);
            group = Some(here.to_owned());
        }
        panels(&mut grid, metric, &asked);
    }
    if grid.panels.is_empty() {
        return Err(Failure::Usage("there is no metric to show: a dashboard of none would be empty".to_owned()));
    }
    Ok(json!({
        "title": visible(title),
        "uid": uid(title),
        "description": "Made by `ferrometer catalogue --dashboard`, from the metrics that the program can record.",
        "tags": ["ferrometer"],
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
            variable("job", "Job", "label_values(up, job)"),
            variable("instance", "Instance", r#"label_values(up{job=~"$job"}, instance)"#),
        ]},
        "panels": grid.panels,
    }))
}

/// Letters, digits and `-` of a title, by which Grafana knows the dashboard when it is imported again.
fn uid(title: &str) -> String {
    let mut out = String::from("ferrometer");
    for part in title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        out.push('-');
        out.push_str(&part.to_ascii_lowercase());
    }
    out.truncate(UID);
    out.trim_end_matches('-').to_owned()
}

/// The first two parts of a name: in most programs its module.
fn group_of(name: &str) -> &str {
    if let Some(at) = name.starts_with('<').then(|| name.rfind(">.")).flatten() {
        return &name[..=at];
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem.match_indices('.').nth(1).map_or(stem, |(at, _)| &stem[..at])
}

fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name,
        "label": label,
        "type": "query",
        "datasource": datasource(),
        "query": {"query": query, "refId": name},
        "includeAll": true,
        "multi": true,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
        "sort": 1,
    })
}

fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// Adds the panels of one metric.
fn panels(grid: &mut Grid, metric: &Metric, asked: &Asked) {
    let unit = metric.unit.as_deref().unwrap_or_default();
    let one = |expr: String, legend: String| vec![(expr, legend)];
    match asked.kind {
        Kind::Counter => {
            let rate = one(asked.per_second(), asked.legend(&[]));
            grid.panel(metric, " a second", if unit == "bytes" { "Bps" } else { "ops" }, rate);
        }
        Kind::Timer | Kind::Histogram => {
            let unit = if asked.kind == Kind::Timer { "s" } else { shown(unit) };
            let quantiles = [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")];
            let quantiles = quantiles.map(|(q, legend)| (asked.quantile(q), legend.to_owned())).to_vec();
            grid.panel(metric, "", unit, quantiles);
            grid.panel(metric, ": calls a second", "ops", one(asked.per_second(), asked.legend(&[])));
        }
        // Gauges and those in flight; a kind that is new has a value at least.
        _ => grid.panel(metric, "", shown(unit), one(asked.values(), asked.legend(&["instance"]))),
    }
    let counted = matches!(asked.kind, Kind::Counter | Kind::Timer | Kind::Histogram);
    if counted && asked.has_outcome() {
        grid.panel(metric, ": part that failed", "percentunit", one(asked.failed(), String::new()));
    }
}

/// Returns Grafana's name of a unit.
fn shown(unit: &str) -> &'static str {
    match unit {
        "bytes" => "bytes",
        "seconds" => "s",
        "ratio" => "percentunit",
        "celsius" => "celsius",
        "meters" => "lengthm",
        "grams" => "massg",
        "joules" => "joule",
        "volts" => "volt",
        "amperes" => "amp",
        _ => "short",
    }
}

/// Panels from left to right, and from the top down.
#[derive(Default)]
struct Grid {
    panels: Vec<Value>,
    x: usize,
    y: usize,
}

impl Grid {
    /// Begins a row.
    fn row(&mut self, title: &str) {
        self.new_line();
        self.panels.push(json!({
            "id": self.panels.len() + 1,
            "type": "row",
            "title": visible(title),
            "collapsed": false,
            "panels": [],
            "gridPos": {"x": 0, "y": self.y, "w": COLUMNS, "h": 1},
        }));
        self.y += 1;
    }

    fn new_line(&mut self) {
        if self.x > 0 {
            (self.x, self.y) = (0, self.y + HEIGHT);
        }
    }

    /// Adds curves.
    fn panel(&mut self, metric: &Metric, of: &str, unit: &str, asks: Vec<(String, String)>) {
        let targets = asks.into_iter().zip('A'..='Z').map(|((expr, legend), id)| {
            json!({"refId": id.to_string(), "expr": expr, "legendFormat": legend, "datasource": datasource()})
        });
        let mut panel = json!({
            "id": self.panels.len() + 1,
            "title": format!("{}{of}", visible(&metric.name)),
            "type": "timeseries",
            "gridPos": {"x": self.x, "y": self.y, "w": WIDTH, "h": HEIGHT},
            "datasource": datasource(),
            "fieldConfig": {"defaults": {"unit": unit, "custom": {"fillOpacity": 10}}, "overrides": []},
            "targets": targets.collect::<Vec<_>>(),
            "options": {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": {"displayMode": "list", "placement": "bottom"}},
        });
        if let Some(description) = &metric.description {
            panel["description"] = json!(visible(description));
        }
        self.panels.push(panel);
        self.x += WIDTH;
        if self.x + WIDTH > COLUMNS {
            self.new_line();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::written::tests::{catalogue, metric};
    use super::*;

    fn exprs(dashboard: &Value) -> Vec<String> {
        let panels = dashboard["panels"].as_array().unwrap().iter();
        let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
        targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn each_kind_is_asked_for_as_it_is_scraped() {
        let all = catalogue(&[
            metric("shop.api.sales", "counter", Some("pieces"), &["till"]),
            metric("shop.api.queue.depth", "gauge", None, &[]),
            metric("shop.api.pay", "timer", Some("ms"), &["outcome"]),
            metric("<self.metrics>.misses", "counter", None, &[]),
        ]);
        let made = of(&all, "The shop!", "prod").unwrap();
        assert_eq!(made["uid"], "ferrometer-the-shop");
        let asked = exprs(&made);
        let chosen = r#"job=~"$job",instance=~"$instance""#;
        assert_eq!(
            asked,
            [
                format!(r#"sum (rate({{__name__=~"(.+_)?misses_total",{chosen}}}[$__rate_interval]))"#),
                format!(
                    "histogram_quantile(0.5, sum by (le) (rate(prod_shop_api_pay_seconds_bucket{{{chosen}}}[$__rate_interval]))) or \
                     histogram_quantile(0.5, sum (rate(prod_shop_api_pay_seconds{{{chosen}}}[$__rate_interval])))"
                ),
                asked[1].replace("0.5", "0.95"),
                asked[1].replace("0.5", "0.99"),
                format!("sum by (outcome) (rate(prod_shop_api_pay_seconds_count{{{chosen}}}[$__rate_interval]))"),
                format!(
                    "(sum (rate(prod_shop_api_pay_seconds_count{{{chosen},outcome!=\"ok\"}}[$__rate_interval])) or vector(0)) / \
                     sum (rate(prod_shop_api_pay_seconds_count{{{chosen}}}[$__rate_interval]))"
                ),
                format!("max by (instance) (prod_shop_api_queue_depth{{{chosen}}})"),
                format!("sum by (till) (rate(prod_shop_api_sales_pieces_total{{{chosen}}}[$__rate_interval]))"),
            ]
        );
        let rows: Vec<_> = made["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] == "row").collect();
        assert_eq!(
            rows.iter().map(|row| row["title"].as_str().unwrap()).collect::<Vec<_>>(),
            ["<self.metrics>", "shop.api"]
        );
    }

    #[test]
    fn no_two_panels_lie_on_each_other() {
        let names: Vec<String> = (0..40).map(|n| format!("a.b{}.c{n}", n / 7)).collect();
        let all = catalogue(&names.iter().map(|name| metric(name, "timer", None, &["outcome"])).collect::<Vec<_>>());
        let made = of(&all, "t", "").unwrap();
        let mut taken = std::collections::HashSet::new();
        for panel in made["panels"].as_array().unwrap() {
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{panel}");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{panel}");
                }
            }
        }
    }

    #[test]
    fn titles_and_names_are_text_and_no_more() {
        let all = catalogue(&[metric("a\"} or vector(1).b", "gauge", None, &["le\"}"])]);
        let made = of(&all, "\u{1b}[31mred", "x\"}").unwrap();
        assert_eq!(
            exprs(&made),
            [r#"max by (instance, le__) (x___a___or_vector_1__b{job=~"$job",instance=~"$instance"})"#]
        );
        assert!(!made["title"].as_str().unwrap().contains('\u{1b}'));
        for title in ["", " ", &"t".repeat(101)] {
            assert!(of(&all, title, "").is_err(), "{title}");
        }
        assert!(of(&Catalogue::new(), "t", "").is_err());
        assert!(uid(&"long ".repeat(30)).len() <= 40);
    }
}
