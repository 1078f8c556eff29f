//! Answers of the API: XML documents and errors.

use std::fmt::Write;

/// Namespace of the only version that is understood.
pub(crate) const VERSION: &str = "2016-11-15";

/// An error as the API answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl ApiError {
    /// An error of the caller (status 400).
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into() }
    }

    /// `InvalidParameterValue`.
    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn xml(&self) -> String {
        let mut xml = Xml::start();
        xml.within("Response", |xml| {
            xml.within("Errors", |xml| {
                xml.within("Error", |xml| {
                    xml.text("Code", &self.code);
                    xml.text("Message", &self.message);
                });
            });
            xml.text("RequestID", REQUEST_ID);
        });
        xml.0
    }
}

const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";

/// An XML document being written.
#[derive(Debug)]
pub(crate) struct Xml(String);

impl Xml {
    fn start() -> Self {
        Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned())
    }

    /// The document `<ActionResponse>` with the content that `body` writes.
    pub(crate) fn response(action: &str, body: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self::start();
        // Writing to a String cannot fail.
        let _ = write!(xml.0, "<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/{VERSION}/\">");
        xml.text("requestId", REQUEST_ID);
        body(&mut xml);
        let _ = write!(xml.0, "</{action}Response>");
        xml.0
    }

    pub(crate) fn within(&mut self, name: &str, body: impl FnOnce(&mut Self)) {
        let _ = write!(self.0, "<{name}>");
        body(self);
        let _ = write!(self.0, "</{name}>");
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.within(name, |xml| {
            for letter in value.chars() {
                match letter {
                    '&' => xml.0.push_str("&amp;"),
                    '<' => xml.0.push_str("&lt;"),
                    '>' => xml.0.push_str("&gt;"),
                    other => xml.0.push(other),
                }
            }
        });
    }
}
