//! Writes the C header of the sources it is given to stdout.
//!
//!     occopus-c-header CONFIGURATION SOURCE...

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let configuration = arguments.next().ok_or("usage: occopus-c-header CONFIGURATION SOURCE...")?;
    let configuration = cbindgen::Config::from_file(Path::new(&configuration))?;
    let builder = cbindgen::Builder::new().with_config(configuration);
    let builder = arguments.fold(builder, |builder, source| builder.with_src(source));
    builder.generate()?.write(std::io::stdout());
    Ok(())
}
