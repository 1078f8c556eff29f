//! The options of the legacy commands. Every command takes all spellings of `-i`; long options can be
//! abbreviated, as in the original.

use std::path::PathBuf;

use clap::{Args, Parser};

/// Files that can be named.
#[derive(Debug, Default, Args)]
pub(super) struct Files {
    /// Configuration file; none is needed
    #[arg(long, value_name = "CFG_PATH")]
    pub(super) cfg: Option<PathBuf>,
    /// Credentials file
    #[arg(long = "auth_data_path", value_name = "AUTH_DATA_PATH")]
    pub(super) auth_data_path: Option<PathBuf>,
}

/// Build an infrastructure and print its id, or reconfigure one with -i
#[derive(Debug, Parser)]
#[command(
    name = "occopus-build",
    version,
    infer_long_args = true,
    after_help = "Example: occopus-build infra.yaml\nThe new command: occopus build --help"
)]
pub(super) struct Build {
    #[command(flatten)]
    pub(super) files: Files,
    /// The infrastructure description
    #[arg(value_name = "infra_def")]
    pub(super) infra_def: PathBuf,
    /// Process the nodes in parallel instead of one after the other
    #[arg(long)]
    pub(super) parallelize: bool,
    /// Reconfigure this infrastructure, or create it under this id
    #[arg(short = 'i', long = "infra_id", alias = "infraid", value_name = "INFRA_ID")]
    pub(super) infra_id: Option<String>,
}

/// Maintain an infrastructure, or report about it
#[derive(Debug, Parser)]
#[command(
    name = "occopus-maintain",
    version,
    infer_long_args = true,
    after_help = "Example: occopus-maintain -i INFRA_ID\nThe new commands: occopus maintain, watch, status, list"
)]
pub(super) struct Maintain {
    #[command(flatten)]
    pub(super) files: Files,
    /// The infrastructure
    #[arg(short = 'i', long = "infraid", alias = "infra_id", value_name = "INFRA_ID")]
    pub(super) infra_id: Option<String>,
    /// List the known infrastructures
    #[arg(short, long)]
    pub(super) list: bool,
    /// Report the nodes with their addresses instead of maintaining
    #[arg(short, long)]
    pub(super) report: bool,
    /// Write the report to this file
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Report only nodes whose name contains this text
    #[arg(short, long, value_name = "TEXT")]
    pub(super) filter: Option<String>,
    /// Go on until Ctrl-C
    #[arg(short, long)]
    pub(super) cyclic: bool,
    /// Seconds between two passes
    #[arg(short = 't', long, default_value_t = 10.0, value_parser = seconds)]
    pub(super) interval: f64,
    /// Process the nodes in parallel instead of one after the other
    #[arg(long)]
    pub(super) parallelize: bool,
}

/// Destroy an infrastructure
#[derive(Debug, Parser)]
#[command(
    name = "occopus-destroy",
    version,
    infer_long_args = true,
    after_help = "Example: occopus-destroy -i INFRA_ID\nThe new command: occopus destroy --help"
)]
pub(super) struct Destroy {
    #[command(flatten)]
    pub(super) files: Files,
    /// The infrastructure
    #[arg(short = 'i', long = "infra_id", alias = "infraid", value_name = "INFRA_ID")]
    pub(super) infra_id: String,
}

/// Register a scaling request, which occopus-maintain carries out
#[derive(Debug, Parser)]
#[command(
    name = "occopus-scale",
    version,
    infer_long_args = true,
    after_help = "Example: occopus-scale -i INFRA_ID -n worker -c 2\nThe new command: occopus scale --help"
)]
pub(super) struct Scale {
    #[command(flatten)]
    pub(super) files: Files,
    /// The infrastructure
    #[arg(short = 'i', long = "infraid", alias = "infra_id", value_name = "INFRA_ID")]
    pub(super) infra_id: String,
    /// The node
    #[arg(short, long, value_name = "NODE")]
    pub(super) node: String,
    /// So many more instances, or fewer if negative
    #[arg(short, long, value_name = "N", allow_hyphen_values = true)]
    pub(super) changescale: Option<String>,
    /// Exactly so many instances
    #[arg(short, long, value_name = "N", allow_hyphen_values = true)]
    pub(super) setscale: Option<String>,
    /// Remove the instance with this node id or address
    #[arg(short, long, value_name = "TEXT")]
    pub(super) filter: Option<String>,
}

/// Import node definitions
#[derive(Debug, Parser)]
#[command(
    name = "occopus-import",
    version,
    infer_long_args = true,
    after_help = "Example: occopus-import node_definitions.yaml\nThe new command: occopus define --help"
)]
pub(super) struct Import {
    #[command(flatten)]
    pub(super) files: Files,
    /// The file of node definitions
    pub(super) datafile: PathBuf,
}

/// Serve the REST interface; not part of this version
#[derive(Debug, Parser)]
#[command(
    name = "occopus-rest-service",
    version,
    infer_long_args = true,
    after_help = "Example: occopus-rest-service --host 127.0.0.1 --port 5000"
)]
pub(super) struct RestService {
    #[command(flatten)]
    _files: Files,
    /// Address to listen on
    #[arg(long)]
    _host: Option<String>,
    /// Port to listen on
    #[arg(long)]
    _port: Option<u16>,
    /// Process the nodes in parallel instead of one after the other
    #[arg(long)]
    _parallelize: bool,
}

/// At most a day, so that a pause can never overflow.
fn seconds(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|seconds| (0.0..=86_400.0).contains(seconds))
        .ok_or_else(|| "seconds from 0 to 86400 are needed".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_lines_are_consistent() {
        for command in [
            Build::command(),
            Maintain::command(),
            Destroy::command(),
            Scale::command(),
            Import::command(),
            RestService::command(),
        ] {
            command.debug_assert();
        }
    }

    #[test]
    fn both_spellings_of_the_infrastructure_are_taken_everywhere() {
        for spelling in ["-i", "--infra_id", "--infraid"] {
            let build = Build::try_parse_from(["occopus-build", spelling, "x", "infra.yaml"]);
            assert_eq!(build.expect(spelling).infra_id.as_deref(), Some("x"));
            let maintain = Maintain::try_parse_from(["occopus-maintain", spelling, "x"]);
            assert_eq!(maintain.expect(spelling).infra_id.as_deref(), Some("x"));
            let destroy = Destroy::try_parse_from(["occopus-destroy", spelling, "x"]);
            assert_eq!(destroy.expect(spelling).infra_id, "x");
            let scale = Scale::try_parse_from(["occopus-scale", spelling, "x", "-n", "w", "-c", "-1"]);
            assert_eq!(scale.expect(spelling).changescale.as_deref(), Some("-1"));
        }
    }

    #[test]
    fn long_options_can_be_abbreviated() {
        assert!(
            Build::try_parse_from(["occopus-build", "--para", "infra.yaml"]).expect("parses").parallelize
        );
    }

    #[test]
    fn the_service_takes_its_options() {
        let service =
            RestService::try_parse_from(["x", "--host", "127.0.0.1", "--port", "5000"]).expect("parses");
        assert_eq!(service._port, Some(5000));
    }
}
