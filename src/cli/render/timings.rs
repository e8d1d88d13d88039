//! How long provider calls took, the slowest first.

use serde_json::Value as Json;
use serde_json::json;

use super::Screen;
use super::document;
use super::table;
use super::table::Column;
use super::table::Field;
use super::text::clean;
use super::time;
use crate::engine::driver::Timings;

type Row<'a> = (&'a str, &'static str, u32, std::time::Duration);

fn rows(timings: &Timings) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for ((provider, call), (count, total)) in timings {
        rows.push((provider.as_str(), *call, *count, *total));
    }
    rows.sort_by(|a, b| b.3.cmp(&a.3).then_with(|| (a.0, a.1).cmp(&(b.0, b.1))));
    rows
}

/// Timings as text.
#[must_use]
pub fn text(screen: &Screen, timings: &Timings) -> String {
    if timings.is_empty() {
        return "No provider was called.\n".to_owned();
    }
    let columns = [
        Column::words("PROVIDER"),
        Column::words("CALL"),
        Column::figures("COUNT"),
        Column::figures("TOTAL"),
        Column::figures("MEAN"),
    ];
    let row = |(provider, call, count, total): Row<'_>| {
        vec![
            Field::new(clean(provider)),
            Field::new(call),
            Field::new(count.to_string()),
            Field::new(time::took(total)),
            Field::new(time::took(total / count.max(1))),
        ]
    };
    table::table(screen, &columns, rows(timings).into_iter().map(row).collect())
}

/// Timings as a document.
#[must_use]
pub fn json(timings: &Timings) -> Json {
    let one = |(provider, call, count, total): Row<'_>| {
        json!({
            "provider": provider,
            "call": call,
            "count": count,
            "total_ms": u64::try_from(total.as_millis()).unwrap_or(u64::MAX),
        })
    };
    let calls: Vec<Json> = rows(timings).into_iter().map(one).collect();
    document("timings", json!({ "calls": calls }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::json;
    use super::text;
    use crate::cli::render::Screen;
    use crate::engine::driver::Timings;

    #[test]
    fn the_slowest_comes_first() {
        let mut timings = Timings::default();
        timings.insert(("local".into(), "read"), (2, Duration::from_millis(400)));
        timings.insert(("sim".into(), "apply"), (1, Duration::from_secs(3)));
        let out = text(&Screen::plain(60), &timings);
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[0].split_whitespace().count(), 5);
        assert!(lines[1].starts_with("sim") && lines[1].ends_with("3.0s"), "{out}");
        assert!(lines[2].starts_with("local") && lines[2].ends_with("0.2s"), "{out}");
        assert_eq!(json(&timings)["calls"][0]["total_ms"], 3000);
    }
}
