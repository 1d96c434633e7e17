//! Golden files: one JSON value a file, named after the published type it must satisfy.

use std::path::PathBuf;
use std::{env, fs};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Holds `value` against `golden/<published>.json` and reads the file back. `KUBEMATE_BLESS=1` writes the file anew.
pub(crate) fn check<T>(published: &str, value: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{published}.json"));
    let written = serde_json::to_string_pretty(value).unwrap() + "\n";
    if env::var_os("KUBEMATE_BLESS").is_some() {
        fs::write(&path, &written).unwrap();
    }
    let golden = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run once with KUBEMATE_BLESS=1", path.display()));
    assert_eq!(written, golden, "{} differs; KUBEMATE_BLESS=1 writes it anew", path.display());
    assert_eq!(&serde_json::from_str::<T>(&golden).unwrap(), value, "{published} does not read back as it was written");
}
