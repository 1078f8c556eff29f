//! Starting an instance so that it outlives its starter, is known whoever crashes when, and is never
//! started twice.

use std::io;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use occopus_engine::clock::Clock;
use occopus_engine::handler::{ErrorKind, HandlerError, Identity};
use process_wrap::tokio::{ChildWrapper, CommandWrap, ProcessSession};

use super::folder::Folder;
use super::request::Program;
use super::{blocking, trouble};

/// Name of the variable that marks every process of an instance.
pub(super) const MARKER: &str = "OCCOPUS_NODE_ID";

/// How long the launcher may take to register itself.
const PATIENCE: Duration = Duration::from_secs(15);

/// Runs in the process that becomes the instance's main process: writes down who it is (process
/// identifier, start time, run of the machine), claims the instance, and replaces itself by the
/// program. If the claim is taken, it ends. `$1` is the file it registers with; the rest is the
/// command. Nothing of it is left in the program's environment.
const LAUNCHER: &str = r#"
set -f
occopus_fields() { shift 19; occopus_start=$1; }
read -r occopus_stat < "/proc/$$/stat" || exit 1
read -r occopus_boot < /proc/sys/kernel/random/boot_id || exit 1
occopus_fields ${occopus_stat##*) }
printf '%s %s %s\n' "$$" "$occopus_start" "$occopus_boot" > "../$1" || exit 1
command -p ln "../$1" ../claim 2> /dev/null || exit 1
shift
exec "$@"
"#;

/// Starts `program` in the prepared `folder` and returns once it is registered, by this call or by an
/// earlier one.
pub(super) async fn launch(
    clock: &dyn Clock,
    folder: &Folder,
    program: &Program,
    identity: &Identity,
    address: Ipv4Addr,
) -> Result<(), HandlerError> {
    let ticket = Folder::ticket();
    let command = {
        let (folder, ticket, program) = (folder.clone(), ticket.clone(), program.clone());
        let identity = identity.clone();
        blocking(move || command(&folder, &ticket, &program, &identity, address)).await?
    };
    let mut launcher = spawn(command)?;
    let registered = await_claim(clock, folder, launcher.as_mut()).await;
    let folder = folder.clone();
    blocking(move || folder.remove_ticket(&ticket).map_err(trouble("cannot tidy up after the start")))
        .await?;
    registered
}

fn command(
    folder: &Folder,
    ticket: &str,
    program: &Program,
    identity: &Identity,
    address: Ipv4Addr,
) -> Result<tokio::process::Command, HandlerError> {
    let log = folder.open_log().map_err(trouble("cannot open the log of the process"))?;
    let errors = log.try_clone().map_err(trouble("cannot open the log of the process"))?;
    let mut command = tokio::process::Command::new("/bin/sh");
    command
        .args(["-c", LAUNCHER, "occopus-launcher", ticket])
        .args(&program.command)
        .env_clear()
        .envs(program.full_environment(&folder.work()))
        .env("OCCOPUS_INFRA_ID", identity.infra.as_str())
        .env(MARKER, identity.node_id.as_str())
        .env("OCCOPUS_ADDRESS", address.to_string())
        .current_dir(folder.work())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors);
    Ok(command)
}

fn spawn(command: tokio::process::Command) -> Result<Box<dyn ChildWrapper>, HandlerError> {
    CommandWrap::from(command).wrap(ProcessSession).spawn().map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::ArgumentListTooLong => ErrorKind::Invalid,
            _ => ErrorKind::Transient,
        };
        HandlerError::new(kind, format!("cannot start /bin/sh to run the process: {error}"))
    })
}

async fn await_claim(
    clock: &dyn Clock,
    folder: &Folder,
    launcher: &mut dyn ChildWrapper,
) -> Result<(), HandlerError> {
    let end = clock.monotonic() + PATIENCE;
    let mut pause = Duration::from_millis(2);
    loop {
        // In this order: a launcher that ended has claimed before, or never will.
        let ended =
            launcher.inner_mut().try_wait().map_err(trouble("cannot ask for the launcher"))?.is_some();
        let claim = {
            let folder = folder.clone();
            blocking(move || folder.claim().map_err(trouble("cannot read who runs the process"))).await?
        };
        match claim {
            Some(_) => return Ok(()),
            None if ended => {
                let path = folder.path().display();
                let message = format!(
                    "the launcher could not register the process in {path}: the program `ln` must be \
                     installed and the file system must have space and hard links"
                );
                return Err(HandlerError::new(ErrorKind::Transient, message));
            }
            None if clock.monotonic() >= end => {
                let message =
                    format!("the process did not come up within {PATIENCE:?}; is the machine overloaded?");
                return Err(HandlerError::new(ErrorKind::UnknownOutcome, message));
            }
            None => clock.sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
