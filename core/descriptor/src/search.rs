//! Where the configuration and the credentials are looked for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A kind of file that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The credentials file.
    Credentials,
    /// The configuration file.
    Configuration,
}

impl Wanted {
    /// The usual name of the file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Credentials => "auth_data.yaml",
            Self::Configuration => "occopus_config.yaml",
        }
    }

    /// The environment variable that names the file.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Credentials => "OCCOPUS_AUTH_DATA_PATH",
            Self::Configuration => "OCCOPUS_CONFIG_PATH",
        }
    }
}

/// What a search depends on. Folders that are `None` are not looked at.
pub struct Surroundings<'a> {
    /// Reads an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// The current folder.
    pub current: Option<PathBuf>,
    /// The installation prefix, below which `etc/occopus` lies.
    pub prefix: Option<PathBuf>,
    /// The folder of the executable.
    pub program: Option<PathBuf>,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("home", &self.home).finish_non_exhaustive()
    }
}

/// The file that was named on the command line does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// A credentials file.
    #[error("Specified authentication file does not exist: '{}'", .0.display())]
    Credentials(PathBuf),
    /// A configuration file.
    #[error("the configuration file '{}' does not exist; correct the path or leave it out", .0.display())]
    Configuration(PathBuf),
}

/// Looks for a file: `explicit`, which must exist; then the first existing of the one the environment
/// names, `~/.occopus`, the current folder, `etc/occopus` of the installation, the folder of the
/// executable. `None` if there is none: a file is needed only by those who need its content.
///
/// # Errors
/// `explicit` does not exist.
pub fn find(
    wanted: Wanted,
    explicit: Option<&Path>,
    surroundings: &Surroundings<'_>,
) -> Result<Option<PathBuf>, SearchError> {
    if let Some(path) = explicit {
        return match wanted {
            _ if path.exists() => Ok(Some(path.to_owned())),
            Wanted::Credentials => Err(SearchError::Credentials(path.to_owned())),
            Wanted::Configuration => Err(SearchError::Configuration(path.to_owned())),
        };
    }
    Ok(places(wanted, surroundings).into_iter().find(|path| path.exists()))
}

/// The places a search looks at when no file is named, in order.
pub fn places(wanted: Wanted, surroundings: &Surroundings<'_>) -> Vec<PathBuf> {
    let named =
        (surroundings.variable)(wanted.variable()).filter(|value| !value.is_empty()).map(PathBuf::from);
    let below = |folder: &Option<PathBuf>, inner: &str| {
        folder.as_ref().map(|folder| folder.join(inner).join(wanted.file_name()))
    };
    let places = [
        named,
        below(&surroundings.home, ".occopus"),
        below(&surroundings.current, ""),
        below(&surroundings.prefix, "etc/occopus"),
        below(&surroundings.program, ""),
    ];
    places.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_existing_place_wins_and_an_explicit_one_must_exist() {
        let folder = tempfile::tempdir().unwrap();
        let at = |inner: &str| folder.path().join(inner);
        let write = |path: &Path| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        let none = |_: &str| None;
        let mut surroundings = Surroundings {
            variable: &none,
            home: Some(at("home")),
            current: Some(at("current")),
            prefix: Some(at("prefix")),
            program: Some(at("program")),
        };
        let find = |surroundings: &Surroundings<'_>| find(Wanted::Credentials, None, surroundings).unwrap();
        assert_eq!(find(&surroundings), None);
        for inner in ["program", "prefix/etc/occopus", "current", "home/.occopus"] {
            let path = at(inner).join("auth_data.yaml");
            write(&path);
            assert_eq!(find(&surroundings), Some(path));
        }
        let named = at("named.yaml");
        let variable =
            |name: &str| (name == "OCCOPUS_AUTH_DATA_PATH").then(|| named.clone().into_os_string());
        surroundings.variable = &variable;
        assert_eq!(find(&surroundings), Some(at("home/.occopus/auth_data.yaml")), "a missing one is skipped");
        write(&named);
        assert_eq!(find(&surroundings), Some(named.clone()));
        let missing = at("missing.yaml");
        let error = super::find(Wanted::Credentials, Some(&missing), &surroundings).unwrap_err();
        let text = format!("Specified authentication file does not exist: '{}'", missing.display());
        assert_eq!(error.to_string(), text);
    }
}
