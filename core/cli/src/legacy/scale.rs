//! `occopus-scale`: registers requests, which a later pass carries out.

use std::sync::Arc;

use occopus::Error;
use occopus::engine::record::ScaleChange;

use super::args::Scale;
use super::log::Console;
use super::{existing, open, unknown};
use crate::{DONE, FAILED};

pub(super) async fn run(console: Arc<Console>, args: Scale) -> u8 {
    match scale(&console, args).await {
        Ok(code) => code,
        Err(error) => console.fail(&error),
    }
}

async fn scale(console: &Arc<Console>, args: Scale) -> Result<u8, Error> {
    let wanted = wanted(&args);
    let occopus = open(console, args.files).await?;
    let (change, message) = match wanted {
        Ok(wanted) => wanted,
        Err(message) => {
            console.log(&message);
            return Ok(FAILED);
        }
    };
    let Some(infra) = existing(&occopus, &args.infra_id).await? else {
        console.log(&unknown(&args.infra_id));
        return Ok(FAILED);
    };
    let scaling = occopus.scale(&infra, &args.node, &[change]).await?;
    console.log(&message);
    scaling.notes.iter().for_each(|note| console.log(note));
    Ok(DONE)
}

/// What is asked for and what the log says about it, or what is wrong with the arguments.
fn wanted(args: &Scale) -> Result<(ScaleChange, String), String> {
    let twice = |both: &str| format!("Too many arguments: {both} must not be used at the same time!");
    let node = &args.node;
    match (&args.changescale, &args.setscale, &args.filter) {
        (None, None, None) => Err("Too few arguments: at least -c, -s or -f must be specified!".to_owned()),
        (Some(_), Some(_), _) => Err(twice("-c and -s")),
        (Some(_), _, Some(_)) => Err(twice("-c and -f")),
        (_, Some(_), Some(_)) => Err(twice("-s and -f")),
        (Some(text), None, None) => {
            let number: i32 = text
                .parse()
                .map_err(|_| "Positive/negative number must be specified for argument -c!".to_owned())?;
            let count = number.unsigned_abs();
            match number.signum() {
                0 => Err("Incorrect argument: value for -c must be different from zero!".to_owned()),
                1 => Ok((
                    ScaleChange::Add(count),
                    format!("Scaling up node '{node}' with {count} instances..."),
                )),
                _ => Ok((
                    ScaleChange::Remove(count),
                    format!("Scaling down node '{node}' with {count} instances..."),
                )),
            }
        }
        (None, Some(text), None) => {
            let number: i32 =
                text.parse().map_err(|_| "Positive number must be specified for argument -s!".to_owned())?;
            match u32::try_from(number) {
                Ok(count) if count > 0 => {
                    Ok((ScaleChange::Set(count), format!("Scaling node '{node}' to {count} instances...")))
                }
                _ => Err("Incorrect argument: value for -s must be greater than zero!".to_owned()),
            }
        }
        (None, None, Some(text)) => Ok((
            ScaleChange::RemoveInstance(text.clone()),
            format!("Scaling down instance(s) of node '{node}' filtered by '{text}'..."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn ask(options: &[&str]) -> Result<(ScaleChange, String), String> {
        let arguments = ["occopus-scale", "-i", "x", "-n", "w"].iter().chain(options);
        wanted(&Scale::try_parse_from(arguments).expect("parses"))
    }

    #[test]
    fn the_messages_are_those_of_the_original() {
        let said = |options: &[&str]| ask(options).map(|(_, message)| message).unwrap_or_else(|error| error);
        assert_eq!(said(&[]), "Too few arguments: at least -c, -s or -f must be specified!");
        assert_eq!(
            said(&["-c", "1", "-s", "1"]),
            "Too many arguments: -c and -s must not be used at the same time!"
        );
        assert_eq!(said(&["-c", "x"]), "Positive/negative number must be specified for argument -c!");
        assert_eq!(said(&["-s", "x"]), "Positive number must be specified for argument -s!");
        assert_eq!(said(&["-c", "0"]), "Incorrect argument: value for -c must be different from zero!");
        assert_eq!(said(&["-s", "-2"]), "Incorrect argument: value for -s must be greater than zero!");
        assert_eq!(said(&["-c", "2"]), "Scaling up node 'w' with 2 instances...");
        assert_eq!(said(&["-c", "-2"]), "Scaling down node 'w' with 2 instances...");
        assert_eq!(said(&["-s", "3"]), "Scaling node 'w' to 3 instances...");
        assert_eq!(said(&["-f", "n1"]), "Scaling down instance(s) of node 'w' filtered by 'n1'...");
    }

    #[test]
    fn a_change_is_what_the_sign_says() {
        assert_eq!(ask(&["-c", "-2"]).expect("is valid").0, ScaleChange::Remove(2));
        assert_eq!(ask(&["-c", "2"]).expect("is valid").0, ScaleChange::Add(2));
        assert_eq!(ask(&["-s", "2"]).expect("is valid").0, ScaleChange::Set(2));
    }
}
