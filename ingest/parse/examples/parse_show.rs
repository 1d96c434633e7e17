//! What a file becomes: `cargo run --release -p kubemate-parse --example parse_show -- FILE` prints its document as JSON.

use std::error::Error;
use std::io::Write;

use kubemate_parse::{Hint, Limits, parse};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("name a file")?;
    let bytes = std::fs::read(&path)?;
    let hint = Hint { filename: &path, media_type: None };
    let document = parse(&bytes, &hint, &Limits::default())?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&document)?)?;
    Ok(())
}
