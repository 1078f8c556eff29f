//! The codes of all problems this crate reports, with a title each.

use serde::{Serialize, Serializer};

/// The stable code of a kind of problem, such as `OCC0102`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code {
    id: &'static str,
    title: &'static str,
}

impl Code {
    /// The code as text, such as `OCC0102`.
    pub fn id(self) -> &'static str {
        self.id
    }

    /// One line that says what the code stands for.
    pub fn title(self) -> &'static str {
        self.title
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

macro_rules! codes {
    ($($name:ident = $id:literal, $title:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: Code = Code { id: $id, title: $title };
        )*

        /// Every code, in ascending order.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    UNREADABLE = "OCC0001", "A file cannot be read";
    SYNTAX = "OCC0002", "The text is not valid YAML";
    DUPLICATE_KEY = "OCC0003", "A mapping has the same key twice";
    UNKNOWN_TAG = "OCC0004", "A tag is unknown or not allowed";
    BAD_IMPORT = "OCC0005", "An import cannot be resolved";
    TOO_LARGE = "OCC0006", "The description exceeds a limit";
    BAD_KEY = "OCC0007", "A mapping or list cannot be a key here";
    BAD_MERGE = "OCC0008", "A merge key does not name a mapping";
    BAD_SCALAR = "OCC0009", "A value does not fit its tag";
    BAD_ROOT = "OCC0010", "The file is empty or does not hold a mapping";
    BAD_VARIABLE = "OCC0011", "A variable given from outside is malformed";
    UNDECLARED_VARIABLE = "OCC0012", "A variable given from outside is declared nowhere";

    NO_USER_ID = "OCC0101", "The infrastructure has no user_id";
    MISSING_KEY = "OCC0102", "A required key is missing in the infrastructure description";
    BAD_NAME = "OCC0103", "A name breaks the naming rule";
    UNKNOWN_KEY = "OCC0104", "An infrastructure description has an unknown key";
    WRONG_KIND = "OCC0105", "A value of an infrastructure description is of the wrong kind";
    NO_SCALING = "OCC0106", "A node has no scaling";
    BAD_SCALING = "OCC0107", "A scaling limit is not usable";
    DUPLICATE_NODE = "OCC0108", "Two nodes have the same name";
    NO_DEPENDENCIES = "OCC0109", "The infrastructure has no dependencies";
    BAD_DEPENDENCY = "OCC0110", "A dependency is malformed";
    UNKNOWN_NODE = "OCC0111", "A dependency names a node that does not exist";
    CYCLE = "OCC0112", "Nodes depend on each other in a cycle";
    BAD_MAPPING = "OCC0113", "An attribute mapping is malformed";
    NAMED_DEPENDENCY = "OCC0114", "A dependency names a node instead of using an alias";
    BAD_MOVE = "OCC0115", "A hint that a node was renamed contradicts the description";

    BAD_DEFINITION_NAME = "OCC0201", "A node definition does not begin with node_def:";
    BAD_IMPLEMENTATIONS = "OCC0202", "A node definition is not a list of implementations";
    UNKNOWN_SECTION = "OCC0203", "An implementation has an unknown section";
    NO_RESOURCE = "OCC0204", "An implementation has no resource section";
    NO_TYPE = "OCC0205", "A section has no type";
    UNKNOWN_TYPE = "OCC0206", "No handler or plug-in is known for the type of a section";
    MISSING_SECTION_KEYS = "OCC0207", "Required keys are missing in a section";
    UNKNOWN_SECTION_KEYS = "OCC0208", "A section has unknown keys";
    BAD_VALUE = "OCC0209", "A value of a section is not usable";
    BAD_HEALTH_CHECK = "OCC0210", "A health check is malformed";
    DOUBTFUL = "OCC0211", "A value probably does not mean what was intended";
    WRONG_SECTION_KIND = "OCC0212", "A value of a section is of an unexpected kind";

    BAD_CREDENTIALS = "OCC0301", "The credentials file is malformed";
    DOUBTFUL_CREDENTIALS = "OCC0302", "A credentials entry is probably incomplete";

    BAD_CONFIGURATION = "OCC0401", "The configuration file is malformed";
    UNKNOWN_MODULE = "OCC0402", "The configuration names a module that is not built in";
    DOUBTFUL_LOGGING = "OCC0403", "Something in the logging section cannot be used";

    UNKNOWN_FILE = "OCC0500", "A file is of no kind that Occopus reads";
    NO_DEFINITION = "OCC0501", "A node has a type without definition";
    UNSATISFIED_FILTER = "OCC0502", "No implementation satisfies the filter of a node";
    NO_DEPENDENCY = "OCC0503", "A template asks for a node that its own node does not depend on";
    UNKNOWN_LOOK_UP = "OCC0504", "A template asks for a node that does not exist";
    UNQUOTED_NODE = "OCC0505", "A template names a node without quotes";
    UNDEFINED_NAME = "OCC0506", "A template reads a name that nothing declares";
    UNUSED_VARIABLE = "OCC0507", "A variable is used by no template";
    NO_CREDENTIALS = "OCC0508", "No credentials fit a resource";
    NAME_TOO_LONG = "OCC0509", "A name is too long for the cloud it goes to";
    BAD_TEMPLATE = "OCC0510", "A template can never be rendered";

    BAD_SECRET = "OCC0601", "A reference to a secret is malformed";
    MISPLACED_SECRET = "OCC0602", "A secret stands where none can be";
    MISSING_SECRET = "OCC0603", "A secret cannot be read";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn codes_are_unique_and_ascending() {
        assert!(ALL.windows(2).all(|pair| pair[0].id() < pair[1].id()));
    }
}
