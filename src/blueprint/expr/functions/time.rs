//! Functions of times, as text of RFC 3339. None of them reads a clock.

use jiff::SignedDuration;
use jiff::Timestamp;
use jiff::Zoned;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use jiff::tz::TimeZone;

use crate::blueprint::expr::fuel::Text;
use crate::blueprint::expr::functions::Arguments;
use crate::blueprint::expr::functions::Body;
use crate::blueprint::expr::functions::Function;
use crate::blueprint::expr::functions::Problem;
use crate::blueprint::expr::functions::deep;
use crate::model::number::Number;
use crate::model::value::Value;

/// The rows.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "formatdate",
        parameters: &[deep("format"), deep("time")],
        sentence: "A time as text: YYYY YY MMMM MMM MM M DD D EEEE EEE hh h HH H AA aa mm m ss s \
                   ZZZZZ ZZZZ ZZZ Z stand for its parts, quoted text for itself.",
        example: "formatdate(\"DD MMM YYYY hh:mm Z\", \"2026-01-02T23:12:01+02:00\")",
        result: "\"02 Jan 2026 23:12 +02:00\"",
        body: Body::Strict(format_date),
    },
    Function {
        name: "timeadd",
        parameters: &[deep("time"), deep("duration")],
        sentence: "A time later by a duration such as `1h30m`, or earlier with a minus before it.",
        example: "timeadd(\"2026-02-28T23:30:00Z\", \"1h30m\")",
        result: "\"2026-03-01T01:00:00Z\"",
        body: Body::Strict(add),
    },
];

fn parse_time(call: &mut Arguments<'_>, index: usize) -> Result<(Timestamp, Offset), Problem> {
    let text = call.text(index)?;
    let wrong = || {
        let problem = "is not a time of RFC 3339 such as 2026-01-02T15:04:05Z";
        Problem::Argument(index, problem.to_owned())
    };
    let pieces = Pieces::parse(text.as_bytes()).map_err(|_| wrong())?;
    if pieces.time_zone_annotation().is_some() {
        return Err(wrong());
    }
    let offset = pieces.to_numeric_offset().ok_or_else(wrong)?;
    let local = pieces.date().to_datetime(pieces.time().ok_or_else(wrong)?);
    Ok((offset.to_timestamp(local).map_err(|_| wrong())?, offset))
}

fn zoned(time: Timestamp, offset: Offset) -> Zoned {
    time.to_zoned(TimeZone::fixed(offset))
}

fn add(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let (time, offset) = parse_time(call, 0)?;
    let text = call.text(1)?;
    let duration = parse_duration(&text).ok_or_else(|| {
        Problem::Argument(1, "is not a duration such as 10m, 1h30m or -24h".to_owned())
    })?;
    let later = time.checked_add(duration);
    let later = later.map_err(|_| Problem::Call("yields a time out of range".to_owned()))?;
    let local = zoned(later, offset).datetime();
    Ok(Value::string(format!("{local}{}", offset_text(offset, true, true))))
}

/// Numbers with units, as in `1h30m`, `1.5h` and `-10s`.
fn parse_duration(text: &str) -> Option<SignedDuration> {
    const UNITS: [(&str, i64); 6] = [
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut nanoseconds = Number::from(0_i64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, later) = after.split_at_checked(letters)?;
        let size = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        let amount = crate::blueprint::expr::convert::parse_number(amount)?;
        let part = amount.multiply(&Number::from(size)).ok()?;
        nanoseconds = nanoseconds.add(&part).ok()?;
        rest = later;
    }
    let whole = nanoseconds.floor().as_i64()?;
    Some(SignedDuration::from_nanos(if negative { -whole } else { whole }))
}

/// `Z` or `+02:00`; with neither letter nor colon `+0200`.
fn offset_text(offset: Offset, letter: bool, colon: bool) -> String {
    let seconds = offset.seconds();
    if seconds == 0 && letter {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    let between = if colon { ":" } else { "" };
    format!("{sign}{:02}{between}{:02}", minutes / 60, minutes % 60)
}

fn format_date(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let format = call.text(0)?;
    let (time, offset) = parse_time(call, 1)?;
    let time = zoned(time, offset);
    let mut made = Text::default();
    let mut rest = format.as_str();
    while let Some(first) = rest.chars().next() {
        let same = rest.len() - rest.trim_start_matches(first).len();
        let (run, after) = rest.split_at_checked(same).unwrap_or((rest, ""));
        if first == '\'' {
            let (text, later) = quoted(rest)
                .ok_or_else(|| Problem::Argument(0, "has a quote that is not closed".to_owned()))?;
            made.push(&text, call.fuel)?;
            rest = later;
        } else if first.is_ascii_alphabetic() {
            let part = part(&time, offset, run).ok_or_else(|| {
                Problem::Argument(0, "has letters that stand for nothing; quote them".to_owned())
            })?;
            made.push(&part, call.fuel)?;
            rest = after;
        } else {
            made.push(run, call.fuel)?;
            rest = after;
        }
    }
    Ok(Value::string(made.finish()))
}

/// Text between quotes, where two of them stand for one; and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut made = String::new();
    let mut rest = text.strip_prefix('\'')?;
    loop {
        let (before, after) = rest.split_once('\'')?;
        made.push_str(before);
        match after.strip_prefix('\'') {
            Some(more) => {
                made.push('\'');
                rest = more;
            }
            None => return Some((made, after)),
        }
    }
}

fn part(time: &Zoned, offset: Offset, letters: &str) -> Option<String> {
    let twelve = match time.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let half = if time.hour() < 12 { "am" } else { "pm" };
    Some(match letters {
        "YYYY" => format!("{:04}", time.year()),
        "YY" => format!("{:02}", time.year().rem_euclid(100)),
        "MMMM" => time.strftime("%B").to_string(),
        "MMM" => time.strftime("%b").to_string(),
        "MM" => format!("{:02}", time.month()),
        "M" => time.month().to_string(),
        "DD" => format!("{:02}", time.day()),
        "D" => time.day().to_string(),
        "EEEE" => time.strftime("%A").to_string(),
        "EEE" => time.strftime("%a").to_string(),
        "hh" => format!("{:02}", time.hour()),
        "h" => time.hour().to_string(),
        "HH" => format!("{twelve:02}"),
        "H" => twelve.to_string(),
        "AA" => half.to_uppercase(),
        "aa" => half.to_owned(),
        "mm" => format!("{:02}", time.minute()),
        "m" => time.minute().to_string(),
        "ss" => format!("{:02}", time.second()),
        "s" => time.second().to_string(),
        "ZZZZZ" => offset_text(offset, false, true),
        "ZZZZ" => offset_text(offset, false, false),
        "ZZZ" if offset.seconds() == 0 => "UTC".to_owned(),
        "ZZZ" => offset_text(offset, false, false),
        "Z" => offset_text(offset, true, true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::blueprint::expr::tests::fails;
    use crate::blueprint::expr::tests::yields;

    #[test]
    fn every_part_of_a_date() {
        let call = |format: &str| format!("formatdate(\"{format}\", \"2026-03-04T00:05:09Z\")");
        yields(&call("EEEE EEE MMMM M D YY"), "\"Wednesday Wed March 3 4 26\"");
        yields(&call("H:HH AA aa h m s ZZZ ZZZZ ZZZZZ"), "\"12:12 AM am 0 5 9 UTC +0000 +00:00\"");
        yields(&call("'o''clock' 'Q'"), "\"o'clock Q\"");
        fails(&call("Q"), "E004", "stand for nothing");
        fails(&call("'"), "E004", "not closed");
    }

    #[test]
    fn durations_are_exact() {
        yields(
            "timeadd(\"2026-01-01T00:00:00+01:00\", \"-1.5h\")",
            "\"2025-12-31T22:30:00+01:00\"",
        );
        yields("timeadd(\"2026-01-01T00:00:00Z\", \"250ms\")", "\"2026-01-01T00:00:00.25Z\"");
        for wrong in ["", "-", "5", "1d", "h", "1h-3m", "1..2h"] {
            let call = format!("timeadd(\"2026-01-01T00:00:00Z\", \"{wrong}\")");
            fails(&call, "E004", "is not a duration");
        }
        fails("timeadd(\"9999-12-30T00:00:00Z\", \"999999h\")", "E004", "out of range");
        fails("timeadd(\"2026-01-01\", \"1h\")", "E004", "RFC 3339");
    }
}
