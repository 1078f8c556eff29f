//! The form of records: the percent style of Python's logging.

use jiff::Zoned;

use super::logging::Level;

/// The form of Python's records where a formatter has none.
const DEFAULT: &str = "%(message)s";

/// One record, as formatters see it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// When.
    pub time: &'a Zoned,
    /// How important.
    pub level: Level,
    /// Name of the logger, such as `occo.eventlog`.
    pub logger: &'a str,
    /// The text.
    pub message: &'a str,
    /// Name of the process; `MainProcess` in Occopus 1.10.
    pub process_name: &'a str,
}

/// A formatter: how a record becomes text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    pieces: Vec<Piece>,
    datefmt: Option<String>,
}

/// A part of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field { name: String, width: usize, left: bool, zero: bool, precision: Option<usize> },
}

/// A format that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A `%` that begins neither `%%` nor `%(NAME)s`.
    #[error("'%' must be followed by '%', or by '(NAME)' and a letter such as s")]
    Syntax,
    /// An attribute that records do not have.
    #[error("records have no attribute '{0}'")]
    Unknown(String),
    /// A time format that strftime does not know.
    #[error("datefmt cannot be used: {0}")]
    Time(String),
}

impl Default for Format {
    fn default() -> Self {
        Self { pieces: vec![field("message")], datefmt: None }
    }
}

fn field(name: &str) -> Piece {
    Piece::Field { name: name.to_owned(), width: 0, left: false, zero: false, precision: None }
}

/// Widest field: a wider one is a mistake that would fill the disk.
const WIDEST: usize = 1000;

impl Format {
    /// Reads `format` such as `%(asctime)s %(levelname)-8s %(message)s` and `datefmt`, a form for
    /// strftime. `None` stands for Python's defaults.
    ///
    /// # Errors
    /// The format is malformed or names attributes that do not exist; the time format is unknown.
    pub fn new(format: Option<&str>, datefmt: Option<&str>) -> Result<Self, FormatError> {
        let mut pieces = Vec::new();
        let mut rest = format.unwrap_or(DEFAULT);
        while let Some((text, after)) = rest.split_once('%') {
            pieces.push(Piece::Text(text.to_owned()));
            if let Some(after) = after.strip_prefix('%') {
                pieces.push(Piece::Text("%".to_owned()));
                rest = after;
            } else {
                let (piece, after) = placeholder(after)?;
                pieces.push(piece);
                rest = after;
            }
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        let datefmt = datefmt.map(str::to_owned);
        if let Some(form) = &datefmt {
            jiff::fmt::strtime::format(form, &Zoned::default())
                .map_err(|error| FormatError::Time(error.to_string()))?;
        }
        Ok(Self { pieces, datefmt })
    }

    /// The record as text.
    pub fn render(&self, record: &Record<'_>) -> String {
        let mut line = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Field { name, width, left, zero, precision } => {
                    let value = self.value(name, record);
                    let value: String = value.chars().take(precision.unwrap_or(usize::MAX)).collect();
                    line.push_str(&match (left, zero) {
                        (true, _) => format!("{value:<width$}"),
                        (false, true) if value.parse::<f64>().is_ok() => format!("{value:0>width$}"),
                        (false, _) => format!("{value:>width$}"),
                    });
                }
            }
        }
        line
    }

    fn value(&self, name: &str, record: &Record<'_>) -> String {
        let time = record.time;
        match name {
            "asctime" => self.time(time),
            "created" => {
                format!("{}.{:06}", time.timestamp().as_second(), time.subsec_nanosecond() / 1000)
            }
            "msecs" => time.millisecond().to_string(),
            "levelname" => record.level.name(),
            "levelno" => record.level.0.to_string(),
            "name" => record.logger.to_owned(),
            "message" => record.message.to_owned(),
            "process" => std::process::id().to_string(),
            "processName" => record.process_name.to_owned(),
            "threadName" => "MainThread".to_owned(),
            // Places in the source of 1.10 have no counterpart.
            _ => "-".to_owned(),
        }
    }

    fn time(&self, time: &Zoned) -> String {
        let default = || format!("{},{:03}", time.strftime("%Y-%m-%d %H:%M:%S"), time.millisecond());
        match &self.datefmt {
            Some(form) => jiff::fmt::strtime::format(form, time).unwrap_or_else(|_| default()),
            None => default(),
        }
    }
}

/// The attributes of Python's records that have a value here or a dash.
const ATTRIBUTES: [&str; 16] = [
    "asctime",
    "created",
    "msecs",
    "levelname",
    "levelno",
    "name",
    "message",
    "process",
    "processName",
    "thread",
    "threadName",
    "module",
    "funcName",
    "lineno",
    "pathname",
    "filename",
];

/// `(NAME)` with flags, width, precision and letter, which follow a `%`; and the rest.
fn placeholder(text: &str) -> Result<(Piece, &str), FormatError> {
    let (name, rest) =
        text.strip_prefix('(').and_then(|text| text.split_once(')')).ok_or(FormatError::Syntax)?;
    if !ATTRIBUTES.contains(&name) {
        return Err(FormatError::Unknown(name.to_owned()));
    }
    let flags = rest.len() - rest.trim_start_matches(['-', '0', '+', ' ', '#']).len();
    let (flags, rest) = rest.split_at(flags);
    let (width, rest) = digits(rest);
    let (precision, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let (precision, rest) = digits(rest);
            (Some(precision.unwrap_or(0)), rest)
        }
        None => (None, rest),
    };
    let mut letters = rest.chars();
    let letter = letters.next().ok_or(FormatError::Syntax)?;
    if !"sdifrgGeEfF".contains(letter) {
        return Err(FormatError::Syntax);
    }
    let piece = Piece::Field {
        name: name.to_owned(),
        width: width.unwrap_or(0).min(WIDEST),
        left: flags.contains('-'),
        zero: flags.contains('0') && letter != 's',
        // For numbers it is no length.
        precision: precision.filter(|_| letter == 's' || letter == 'r'),
    };
    Ok((piece, letters.as_str()))
}

/// The number at the beginning of a text, and the rest.
fn digits(text: &str) -> (Option<usize>, &str) {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    (text[..text.len() - rest.len()].parse().ok(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(format: &str, datefmt: Option<&str>) -> String {
        let time = jiff::civil::datetime(2026, 1, 2, 3, 4, 5, 6_000_000);
        let time = time.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        let record = Record {
            time: &time,
            level: Level::INFO,
            logger: "occo.eventlog",
            message: "done",
            process_name: "MainProcess",
        };
        Format::new(Some(format), datefmt).unwrap().render(&record)
    }

    #[test]
    fn formats_give_what_python_gives() {
        let long = "** %(asctime)s\t%(levelname)s\t%(processName)s\t%(message)s";
        assert_eq!(render(long, None), "** 2026-01-02 03:04:05,006\tINFO\tMainProcess\tdone");
        assert_eq!(render("%(levelname)-8s|%(levelname)8s|%(levelname).2s|", None), "INFO    |    INFO|IN|");
        assert_eq!(render("100%% %(name)s %(levelno)03d", None), "100% occo.eventlog 020");
        assert_eq!(render("%(asctime)s %(lineno)d", Some("%H:%M")), "03:04 -");
        assert_eq!(Format::default(), Format::new(None, None).unwrap());
    }

    #[test]
    fn what_is_no_format_is_told() {
        let error = |format: &str| Format::new(Some(format), None).unwrap_err();
        assert_eq!(error("%s"), FormatError::Syntax);
        assert_eq!(error("100%"), FormatError::Syntax);
        assert_eq!(error("%(message)"), FormatError::Syntax);
        assert_eq!(error("%(massage)s"), FormatError::Unknown("massage".to_owned()));
        assert!(matches!(Format::new(None, Some("%Q!%")), Err(FormatError::Time(_))));
    }
}
