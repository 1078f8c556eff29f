//! `occopus-import`. As the original, it logs nothing but its result.

use std::sync::Arc;

use occopus::{Error, Occopus, Settings};

use super::args::Import;
use super::log::Console;
use crate::{DONE, FAILED};

pub(super) async fn run(console: Arc<Console>, args: Import) -> u8 {
    match import(&args).await {
        Ok(names) => {
            console.print(&format!("Successfully imported nodes: {}", names.join(", ")));
            DONE
        }
        Err(Error::Descriptor(problems)) => {
            console.problems(&problems);
            FAILED
        }
        Err(error) => {
            console.output().error(&error.to_string());
            FAILED
        }
    }
}

async fn import(args: &Import) -> Result<Vec<String>, Error> {
    let settings = Settings {
        config: args.files.cfg.clone(),
        credentials: args.files.auth_data_path.clone(),
        ..Settings::default()
    };
    let occopus = Occopus::open(settings).await?;
    let (definitions, _) = occopus.define(&args.datafile).await?;
    Ok(definitions.into_iter().map(|definition| definition.name).collect())
}
