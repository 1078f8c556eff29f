//! Where the store of a user is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use occopus_engine::store::StoreError;

/// The directory of the store that a group of users shares. An administrator makes it:
/// `install -d -m 2770 -g GROUP /var/lib/occopus`.
pub const SHARED_DIRECTORY: &str = "/var/lib/occopus";

/// The environment variable that names the store file.
pub const VARIABLE: &str = "OCCOPUS_STORE";

/// What the place of the store depends on besides options and configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The value of [`VARIABLE`]; an empty one counts as unset.
    pub store: Option<OsString>,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// Whether [`SHARED_DIRECTORY`] exists and the user may create files in it.
    pub shared_is_writable: bool,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let shared = Path::new(SHARED_DIRECTORY);
        Self {
            store: std::env::var_os(VARIABLE),
            home: std::env::home_dir().filter(|home| home.is_absolute()),
            shared_is_writable: shared.is_dir()
                && access(shared, AccessFlags::W_OK | AccessFlags::X_OK).is_ok(),
        }
    }
}

/// The store file to use: the option, else the environment variable, else the configuration, else
/// [`default_location`].
///
/// A leading `~/` in the configuration means the home directory; elsewhere the shell has replaced it.
///
/// # Errors
///
/// As [`default_location`].
pub fn location(
    option: Option<&Path>,
    configuration: Option<&Path>,
    environment: &Environment,
) -> Result<PathBuf, StoreError> {
    if let Some(path) = option {
        return Ok(path.to_owned());
    }
    if let Some(path) = environment.store.as_ref().filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    match configuration {
        Some(path) => match path.strip_prefix("~") {
            Ok(below) => Ok(home(environment)?.join(below)),
            Err(_) => Ok(path.to_owned()),
        },
        None => default_location(environment),
    }
}

/// `/var/lib/occopus/occopus.db` where that directory exists and is writable by the user, else
/// `~/.occopus/occopus.db`.
///
/// # Errors
///
/// [`StoreError::Unusable`] if there is neither a shared directory nor a home directory.
pub fn default_location(environment: &Environment) -> Result<PathBuf, StoreError> {
    let directory = if environment.shared_is_writable {
        PathBuf::from(SHARED_DIRECTORY)
    } else {
        home(environment)?.join(".occopus")
    };
    Ok(directory.join("occopus.db"))
}

fn home(environment: &Environment) -> Result<&Path, StoreError> {
    environment.home.as_deref().ok_or_else(|| {
        StoreError::Unusable(
            "there is no place for the store: this user has no home directory; set HOME, or name the store file \
             (--store or OCCOPUS_STORE)"
                .to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Environment {
        Environment { store: None, home: Some("/home/alice".into()), shared_is_writable: false }
    }

    fn located(option: Option<&str>, configuration: Option<&str>, environment: &Environment) -> PathBuf {
        location(option.map(Path::new), configuration.map(Path::new), environment).unwrap()
    }

    #[test]
    fn the_most_explicit_wish_wins() {
        let environment = Environment { store: Some("/env.db".into()), shared_is_writable: true, ..alice() };
        assert_eq!(located(Some("/opt.db"), Some("/conf.db"), &environment), Path::new("/opt.db"));
        assert_eq!(located(None, Some("/conf.db"), &environment), Path::new("/env.db"));
        assert_eq!(located(None, Some("/conf.db"), &alice()), Path::new("/conf.db"));
        assert_eq!(located(None, None, &alice()), Path::new("/home/alice/.occopus/occopus.db"));
    }

    #[test]
    fn the_shared_directory_is_preferred_where_it_can_be_used() {
        let member = Environment { shared_is_writable: true, ..alice() };
        assert_eq!(located(None, None, &member), Path::new("/var/lib/occopus/occopus.db"));
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let environment = Environment { store: Some(OsString::new()), ..alice() };
        assert_eq!(located(None, None, &environment), Path::new("/home/alice/.occopus/occopus.db"));
    }

    #[test]
    fn a_tilde_in_the_configuration_is_the_home_directory() {
        assert_eq!(located(None, Some("~/stores/a.db"), &alice()), Path::new("/home/alice/stores/a.db"));
        assert_eq!(located(None, Some("~bob/a.db"), &alice()), Path::new("~bob/a.db"));
    }

    #[test]
    fn without_a_home_the_message_says_what_to_do() {
        let error = default_location(&Environment::default()).unwrap_err();
        assert!(error.to_string().contains("--store or OCCOPUS_STORE"), "{error}");
        let shared = Environment { shared_is_writable: true, ..Environment::default() };
        assert_eq!(default_location(&shared).unwrap(), Path::new("/var/lib/occopus/occopus.db"));
    }
}
