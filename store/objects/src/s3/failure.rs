//! What an answer of the server means.

use std::error::Error;
use std::io;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::ObjectsError;

/// What servers call a full disk or an exhausted quota.
const FULL: [&str; 4] = ["InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"];

/// The error of the room, with what the server said. Nothing secret is in it.
pub(super) fn failed<E>(error: &SdkError<E, HttpResponse>) -> ObjectsError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if status(error) == Some(507) || error.code().is_some_and(|code| FULL.contains(&code)) {
        return ObjectsError::DiskFull;
    }
    ObjectsError::Store(io::Error::other(told(error)))
}

/// No such object; a bucket that is not there is something else.
pub(super) fn missing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    status(error) == Some(404) && error.code() != Some("NoSuchBucket")
}

/// The range begins at the object's end or behind it.
pub(super) fn unsatisfiable<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    status(error) == Some(416) || error.code() == Some("InvalidRange")
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

fn told<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(status) = status(error) {
        let (code, message) = (error.code().unwrap_or("no code"), error.message().unwrap_or_default());
        return format!("the server answers {status} {code} {message}").trim_end().to_owned();
    }
    // The outer ones only say that it failed; the innermost says why.
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    format!("{error}: {cause}")
}
