//! What a server that cannot be used means for whoever configured it.

use std::{fmt::Display, io::ErrorKind};

use sea_orm::sqlx::{Error, postgres::PgConnectOptions};

/// Whether this passes by itself: the server is starting, or its port is not open yet.
pub(super) fn comes_up(failure: &Error) -> bool {
    match failure {
        Error::Io(cause) => matches!(cause.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset),
        Error::Database(cause) => cause.code().as_deref() == Some("57P03"), // cannot connect now
        _ => false,
    }
}

/// A sentence that names what to change. Nothing secret is in it: servers do not repeat passwords.
pub(super) fn explain(failure: &Error, server: &PgConnectOptions) -> String {
    let (place, user) = (place(server), server.get_username());
    let database = server.get_database().unwrap_or(user);
    match failure {
        Error::Database(cause) => match cause.code().as_deref() {
            Some("28P01") => format!("{place} refuses the password of user `{user}`"),
            Some("28000") => format!("{place} refuses user `{user}`: {}", cause.message()),
            Some("3D000") => {
                format!("{place} has no database `{database}`; type `CREATE DATABASE {database} OWNER {user}` there")
            }
            Some("53300") => format!("{place} takes no more connections; raise its `max_connections`"),
            _ => format!("{place} says: {}", cause.message()),
        },
        Error::Io(cause) if cause.kind() == ErrorKind::InvalidData => insecure(&place, cause),
        Error::Io(cause) => format!("{place} cannot be reached: {cause}"),
        Error::Tls(cause) => insecure(&place, cause),
        Error::Configuration(cause) => format!("the address is refused: {cause}"),
        other => format!("{place} cannot be used: {other}"),
    }
}

fn insecure(place: &str, cause: &dyn Display) -> String {
    format!("TLS with {place} fails: {cause}; `sslrootcert` names the file of its CA")
}

/// Where the server is.
pub(super) fn place(server: &PgConnectOptions) -> String {
    match server.get_socket() {
        Some(socket) => format!("PostgreSQL at {}", socket.display()),
        None => format!("PostgreSQL at {}:{}", server.get_host(), server.get_port()),
    }
}
