//! A report of an experiment as one page of HTML that needs nothing else: table, curves, parameters against the metric. Pure.

use std::fmt::Write;

use serde_json::Value;

use crate::model::spec::token;
use crate::model::study::{Entry, Take, columns, short};

/// The most curves on a page: more are a grey cloud.
pub const CURVES_MAX: usize = 40;
/// The most lines of the table: a browser holds more, a person does not.
const ROWS_MAX: usize = 5_000;
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const MARGIN: f64 = 48.0;

/// What is reported.
pub struct Study<'a> {
    /// The experiment.
    pub name: &'a str,
    /// The metric that decides.
    pub metric: &'a str,
    /// Its jobs, the best first.
    pub entries: &'a [Entry],
    /// What is taken of the readings.
    pub take: Take,
    /// Whether larger is better.
    pub maximize: bool,
    /// Curves of the metric.
    pub curves: &'a [(String, Vec<(f64, f64)>)],
    /// What goes with it.
    pub matters: &'a [(String, f64, usize)],
}

/// Returns the page.
pub fn page(study: &Study<'_>) -> String {
    let mut html = String::new();
    let title = escaped(study.name);
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>\
         body{{font:14px system-ui,sans-serif;margin:2em;color:#222;background:#fff}}table{{border-collapse:collapse}}\
         td,th{{padding:2px 10px;text-align:right;border-bottom:1px solid #ddd}}td:first-child,th:first-child{{text-align:left}}\
         svg{{background:#fafafa;margin:0 1em 1em 0}}polyline{{fill:none;stroke-width:1.2}}</style>\n<h1>{title}</h1>\n"
    );
    let best = study
        .entries
        .iter()
        .find(|entry| entry.metric(study.metric, study.take, study.maximize).is_some_and(f64::is_finite));
    let metric = escaped(study.metric);
    if let Some(best) = best {
        let value = best.metric(study.metric, study.take, study.maximize).map(short).unwrap_or_default();
        let pairs: Vec<String> =
            best.parameters.iter().map(|(name, value)| format!("{name}={}", token::text(value))).collect();
        let _ =
            writeln!(html, "<p>Best: <b>{}</b>, {metric} {value} ({})</p>", escaped(&best.name), escaped(&pairs.join(" ")));
    }
    let _ = writeln!(html, "<h2>{metric} over steps</h2>\n{}", curves(study.curves));
    if !study.matters.is_empty() {
        let _ = writeln!(html, "<h2>What goes with {metric}</h2>\n<table><tr><th>parameter<th>strength<th>jobs");
        for (name, strength, jobs) in study.matters {
            let _ = writeln!(html, "<tr><td>{}<td>{strength:+.2}<td>{jobs}", escaped(name));
        }
        html.push_str("</table>\n");
    }
    let (parameters, metrics) = columns(study.entries);
    if let Some(svg) = parallel(study, &parameters) {
        let _ = writeln!(html, "<h2>All parameters and {metric}</h2>\n{svg}");
    }
    for name in &parameters {
        if let Some(svg) = scatter(study, name) {
            let _ = writeln!(html, "<h3>{} against {metric}</h3>\n{svg}", escaped(name));
        }
    }
    let _ = write!(html, "<h2>Jobs</h2>\n<table><tr><th>name<th>state");
    for name in parameters.iter().chain(&metrics) {
        let _ = write!(html, "<th>{}", escaped(name));
    }
    html.push('\n');
    for entry in study.entries.iter().take(ROWS_MAX) {
        let _ = write!(html, "<tr><td>{}<td>{}", escaped(&entry.name), entry.state);
        for name in &parameters {
            let _ = write!(html, "<td>{}", escaped(&entry.parameter(name).map(token::text).unwrap_or_default()));
        }
        for name in &metrics {
            let value = entry.metric(name, study.take, study.maximize).map(short);
            let _ = write!(html, "<td>{}", value.unwrap_or_default());
        }
        html.push('\n');
    }
    html.push_str("</table>\n");
    if study.entries.len() > ROWS_MAX {
        let _ = writeln!(html, "<p>and {} more</p>", study.entries.len() - ROWS_MAX);
    }
    html.push_str("</html>\n");
    html
}

/// Returns a text as HTML shows it, whatever is in it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// Numbers to places on a drawing.
struct Frame {
    x: (f64, f64),
    y: (f64, f64),
}

impl Frame {
    fn of(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<Self> {
        let bounds = |of: fn((f64, f64)) -> f64| {
            let (low, high) = points
                .clone()
                .map(of)
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
            low.is_finite().then_some(if low == high { (low - 0.5, high + 0.5) } else { (low, high) })
        };
        Some(Self { x: bounds(|point| point.0)?, y: bounds(|point| point.1)? })
    }

    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let share = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low);
        (MARGIN + share(x, self.x) * (WIDTH - 2.0 * MARGIN), HEIGHT - MARGIN - share(y, self.y) * (HEIGHT - 2.0 * MARGIN))
    }

    /// Begins a drawing: its axes with the numbers at their ends.
    fn svg(&self) -> String {
        let (bottom, right) = (HEIGHT - MARGIN, WIDTH - MARGIN);
        let label = |x: f64, y: f64, anchor: &str, value: f64| {
            format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"11\">{}</text>", short(value))
        };
        format!(
            "<svg width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\"><path d=\"M{MARGIN} {MARGIN}V{bottom}H{right}\" fill=\"none\" stroke=\"#888\"/>{}{}{}{}",
            label(MARGIN - 4.0, bottom, "end", self.y.0),
            label(MARGIN - 4.0, MARGIN + 4.0, "end", self.y.1),
            label(MARGIN, bottom + 16.0, "start", self.x.0),
            label(right, bottom + 16.0, "end", self.x.1),
        )
    }
}

fn curves(series: &[(String, Vec<(f64, f64)>)]) -> String {
    let Some(frame) = Frame::of(series.iter().flat_map(|(_, points)| points.iter().copied())) else {
        return "<p>no curves</p>".to_owned();
    };
    let mut svg = frame.svg();
    for (number, (name, points)) in series.iter().enumerate() {
        let places: Vec<String> =
            points.iter().map(|point| frame.place(*point)).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        // The golden angle keeps neighbours apart in colour.
        let hue = (number as f64 * 137.508) % 360.0;
        let _ = write!(
            svg,
            "<polyline stroke=\"hsl({hue:.0} 70% 45%)\" points=\"{}\"><title>{}</title></polyline>",
            places.join(" "),
            escaped(name)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Draws a line for each job through its place on each parameter's axis and on the metric's, the best in colour.
fn parallel(study: &Study<'_>, parameters: &[String]) -> Option<String> {
    let axes: Vec<Axis> = parameters.iter().take(AXES_MAX).filter_map(|name| Axis::of(study, name)).collect();
    if axes.is_empty() {
        return None;
    }
    let value = |entry: &Entry| entry.metric(study.metric, study.take, study.maximize).filter(|value| value.is_finite());
    let with: Vec<(&Entry, f64)> = study.entries.iter().filter_map(|entry| Some((entry, value(entry)?))).collect();
    let metric = Axis::numbers(study.metric, with.iter().map(|(_, value)| *value))?;
    let width = WIDTH.max((axes.len() + 1) as f64 * 120.0);
    let at = |number: usize| MARGIN + (width - 2.0 * MARGIN) * number as f64 / axes.len() as f64;
    let down = |share: f64| HEIGHT - MARGIN - share * (HEIGHT - 2.0 * MARGIN);
    let mut svg = format!("<svg width=\"{width}\" height=\"{HEIGHT}\" role=\"img\" class=\"parallel\">");
    // The worst are drawn first, so that the best lie over them.
    for (number, (entry, value)) in with.iter().take(LINES_MAX).enumerate().collect::<Vec<_>>().into_iter().rev() {
        let shares = axes.iter().map(|axis| axis.share(entry.parameter(&axis.name)));
        let shares = shares.chain([metric.share(serde_json::Number::from_f64(*value).map(Value::Number).as_ref())]);
        let places: Vec<String> =
            shares.enumerate().filter_map(|(axis, share)| Some(format!("{:.1},{:.1}", at(axis), down(share?)))).collect();
        let stroke = if number < with.len().div_ceil(10) { "#c33" } else { "#36c" };
        let _ = write!(
            svg,
            "<polyline stroke=\"{stroke}\" stroke-opacity=\"0.5\" points=\"{}\"><title>{}</title></polyline>",
            places.join(" "),
            escaped(&entry.name)
        );
    }
    for (number, axis) in axes.iter().chain([&metric]).enumerate() {
        let x = at(number);
        let (low, high) = axis.ends();
        let _ = write!(
            svg,
            "<path d=\"M{x} {MARGIN}V{}\" stroke=\"#888\"/><text x=\"{x}\" y=\"16\" text-anchor=\"middle\" font-size=\"12\">{}</text>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\">{}</text>\
             <text x=\"{x}\" y=\"34\" text-anchor=\"middle\" font-size=\"11\">{}</text>",
            HEIGHT - MARGIN,
            escaped(&axis.name),
            HEIGHT - MARGIN + 16.0,
            escaped(&low),
            escaped(&high)
        );
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// The most axes beside each other.
const AXES_MAX: usize = 12;
/// The most lines through them.
const LINES_MAX: usize = 1_000;
/// The most words on an axis.
const WORDS_MAX: usize = 30;

/// One axis: numbers from end to end, or words in order.
struct Axis {
    name: String,
    numbers: Option<(f64, f64)>,
    words: Vec<String>,
}

impl Axis {
    fn of(study: &Study<'_>, name: &str) -> Option<Self> {
        let values: Vec<&Value> = study.entries.iter().filter_map(|entry| entry.parameter(name)).collect();
        if values.iter().all(|value| value.is_number()) {
            return Self::numbers(name, values.iter().filter_map(|value| value.as_f64()));
        }
        let mut words: Vec<String> = values.iter().map(|value| token::text(value)).collect();
        words.sort();
        words.dedup();
        let fits = (2..=WORDS_MAX).contains(&words.len());
        fits.then(|| Self { name: name.to_owned(), numbers: None, words })
    }

    /// Returns an axis of numbers; `None` when they do not vary.
    fn numbers(name: &str, values: impl Iterator<Item = f64>) -> Option<Self> {
        let ends = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        (ends.0 < ends.1).then(|| Self { name: name.to_owned(), numbers: Some(ends), words: Vec::new() })
    }

    fn share(&self, value: Option<&Value>) -> Option<f64> {
        match self.numbers {
            Some((low, high)) => Some((value?.as_f64()? - low) / (high - low)),
            None => {
                let at = self.words.iter().position(|word| *word == token::text(value.unwrap_or(&Value::Null)))?;
                Some(at as f64 / (self.words.len() - 1) as f64)
            }
        }
    }

    fn ends(&self) -> (String, String) {
        match self.numbers {
            Some((low, high)) => (short(low), short(high)),
            None => (self.words.first().cloned().unwrap_or_default(), self.words.last().cloned().unwrap_or_default()),
        }
    }
}

fn scatter(study: &Study<'_>, parameter: &str) -> Option<String> {
    let points: Vec<(f64, f64, &str)> = study
        .entries
        .iter()
        .filter_map(|entry| {
            let value = entry.metric(study.metric, study.take, study.maximize).filter(|value| value.is_finite())?;
            Some((entry.parameter(parameter)?.as_f64()?, value, entry.name.as_str()))
        })
        .collect();
    if points.len() < 3 {
        return None;
    }
    let frame = Frame::of(points.iter().map(|(x, y, _)| (*x, *y)))?;
    let mut svg = frame.svg();
    for (x, y, name) in &points {
        let (x, y) = frame.place((*x, *y));
        let _ = write!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"#36c\" fill-opacity=\"0.6\"><title>{}</title></circle>",
            escaped(name)
        );
    }
    svg.push_str("</svg>");
    Some(svg)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::ids::JobId;
    use crate::model::metric::Stat;

    #[test]
    fn a_page_is_whole_and_nothing_in_it_acts() {
        let entry = |n: u64| {
            let mut stat = Stat::new("loss");
            stat.add(Some(1.0), 1.0 / n as f64);
            Entry {
                job: JobId(n),
                name: format!("run-{n}<script>"),
                state: "succeeded",
                parameters: vec![("lr".into(), json!(n)), ("opt".into(), json!("<b>\"x\""))],
                stats: vec![stat],
            }
        };
        let entries: Vec<Entry> = (1..=4).rev().map(entry).collect();
        let curves = vec![("run-1".to_owned(), vec![(0.0, 1.0), (1.0, 0.5)])];
        let matters = vec![("lr".to_owned(), -1.0, 4)];
        let html = page(&Study {
            name: "a&b",
            metric: "loss",
            entries: &entries,
            take: Take::Last,
            maximize: false,
            curves: &curves,
            matters: &matters,
        });
        assert!(html.contains("<h1>a&amp;b</h1>") && html.contains("Best: <b>run-4&lt;script&gt;</b>, loss 0.25"), "{html}");
        assert!(
            html.contains("<polyline") && html.matches("<circle").count() == 4 && html.contains("<td>-1.00<td>4"),
            "{html}"
        );
        // One axis varies, and the metric's; four lines, the best of them in colour and on top.
        let parallel = html.split_once("class=\"parallel\"").unwrap().1.split_once("</svg>").unwrap().0;
        assert_eq!((parallel.matches("<polyline").count(), parallel.matches("<path").count()), (4, 2), "{parallel}");
        assert!(parallel.rsplit("<polyline").next().unwrap().starts_with(" stroke=\"#c33\""), "{parallel}");
        assert!(parallel.contains("points=\"48.0,48.0 592.0,272.0\""), "lr 4 is high, its loss 0.25 low: {parallel}");
        assert!(!html.contains("<script") && !html.contains("<b>\"") && !html.contains("http"), "{html}");
    }
}
