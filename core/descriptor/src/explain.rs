//! The pages that explain the codes: cause, example, remedy.
//!
//! They are the files of `docs/reference/codes`, so that what the command prints and what the
//! documentation says is one text.

use crate::codes::{self, Code};

/// A code with its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The code.
    pub code: Code,
    /// Why the problem is one, as Markdown.
    pub cause: &'static str,
    /// A wrong file and what Occopus says of it, as Markdown.
    pub example: &'static str,
    /// What to do, with the right file, as Markdown.
    pub remedy: &'static str,
}

/// There is no such code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown code '{code}'; {}", match .nearest {
    Some(nearest) => format!("did you mean {nearest}? 'occopus explain' lists all codes"),
    None => "'occopus explain' lists all codes".to_owned(),
})]
pub struct UnknownCode {
    /// What was asked for.
    pub code: String,
    /// The code that was probably meant.
    pub nearest: Option<Code>,
}

/// The explanation of the code that `text` names, in upper or lower case.
///
/// # Errors
/// No code is called so.
pub fn explain(text: &str) -> Result<Explanation, UnknownCode> {
    let wanted = text.trim().to_ascii_uppercase();
    let found = codes::ALL.iter().find(|code| code.id() == wanted);
    found
        .and_then(|code| page(*code))
        .ok_or_else(|| UnknownCode { code: text.to_owned(), nearest: nearest(&wanted) })
}

/// The explanations of all codes, in ascending order.
pub fn all() -> impl Iterator<Item = Explanation> {
    codes::ALL.iter().filter_map(|code| page(*code))
}

fn page(code: Code) -> Option<Explanation> {
    let (_, text) = PAGES.iter().find(|(id, _)| *id == code.id())?;
    let (_, body) = text.split_once('\n')?;
    let (cause, rest) = body.split_once("\n## Example\n")?;
    let (example, remedy) = rest.split_once("\n## Remedy\n")?;
    Some(Explanation { code, cause: cause.trim(), example: example.trim(), remedy: remedy.trim() })
}

/// The code with the fewest differences to `wanted`, at most two. A number alone is filled up to a code.
fn nearest(wanted: &str) -> Option<Code> {
    let is_number = !wanted.is_empty() && wanted.chars().all(|c| c.is_ascii_digit());
    let wanted = if is_number { format!("OCC{wanted:0>4}") } else { wanted.to_owned() };
    let distance = |code: &Code| strsim::damerau_levenshtein(&wanted, code.id());
    codes::ALL.iter().copied().filter(|code| distance(code) <= 2).min_by_key(distance)
}

macro_rules! pages {
    ($($id:literal)*) => {
        /// Every page by the code it explains.
        const PAGES: &[(&str, &str)] =
            &[$(($id, include_str!(concat!("../../../docs/reference/codes/", $id, ".md")))),*];
    };
}

pages! {
    "OCC0001" "OCC0002" "OCC0003" "OCC0004" "OCC0005" "OCC0006" "OCC0007" "OCC0008" "OCC0009" "OCC0010"
    "OCC0011" "OCC0012"

    "OCC0101" "OCC0102" "OCC0103" "OCC0104" "OCC0105" "OCC0106" "OCC0107" "OCC0108" "OCC0109" "OCC0110"
    "OCC0111" "OCC0112" "OCC0113" "OCC0114" "OCC0115"

    "OCC0201" "OCC0202" "OCC0203" "OCC0204" "OCC0205" "OCC0206" "OCC0207" "OCC0208" "OCC0209" "OCC0210"
    "OCC0211" "OCC0212"

    "OCC0301" "OCC0302"

    "OCC0401" "OCC0402" "OCC0403"

    "OCC0500" "OCC0501" "OCC0502" "OCC0503" "OCC0504" "OCC0505" "OCC0506" "OCC0507" "OCC0508" "OCC0509"
    "OCC0510"

    "OCC0601" "OCC0602" "OCC0603"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let ids = |codes: &[Code]| codes.iter().map(|code| code.id()).collect::<Vec<_>>();
        let without: Vec<Code> = codes::ALL.iter().copied().filter(|code| page(*code).is_none()).collect();
        assert!(
            without.is_empty(),
            "write docs/reference/codes/CODE.md, and name it in pages!, for {:?}",
            ids(&without)
        );
        assert_eq!(PAGES.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids(codes::ALL));
    }

    #[test]
    fn a_page_begins_with_code_and_title() {
        for (id, text) in PAGES {
            let title = codes::ALL.iter().find(|code| code.id() == *id).map(|code| code.title());
            assert_eq!(text.lines().next(), Some(format!("# {id}: {}", title.unwrap()).as_str()));
        }
    }

    #[test]
    fn a_code_is_found_in_any_case() {
        assert_eq!(explain("OCC0102").unwrap().code, codes::MISSING_KEY);
        assert_eq!(explain(" occ0102 ").unwrap(), explain("OCC0102").unwrap());
        assert!(all().all(|page| !page.cause.is_empty() && !page.remedy.is_empty()));
    }

    #[test]
    fn an_unknown_code_is_told_with_the_nearest() {
        assert_eq!(explain("0102").unwrap_err().nearest, Some(codes::MISSING_KEY));
        assert_eq!(explain("102").unwrap_err().nearest, Some(codes::MISSING_KEY));
        assert_eq!(explain("OC0102").unwrap_err().nearest, Some(codes::MISSING_KEY));
        let error = explain("cycle").unwrap_err();
        assert_eq!(error.nearest, None);
        assert_eq!(error.to_string(), "unknown code 'cycle'; 'occopus explain' lists all codes");
    }
}
