//! Waiting until the server says that it is ready.

use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::PathBuf,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;

use super::Settings;

/// In the data folder.
const ADDRESS_FILE: &str = "kubemate.address";
/// Loading the models takes a few seconds on a slow disk; past this something is wrong.
const LONGEST: Duration = Duration::from_secs(120);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);
/// For one question.
const ANSWER: Duration = Duration::from_secs(2);

/// The file into which the server writes the address that it really bound; an old one is removed. Asking the
/// configured address instead could reach another server that holds the port.
///
/// # Errors
/// When the data folder cannot be made.
pub(crate) fn address_file(settings: &Settings) -> anyhow::Result<PathBuf> {
    let file = settings.make_data_dir()?.join(ADDRESS_FILE);
    if file.exists() {
        fs::remove_file(&file)?;
    }
    Ok(file)
}

/// Where the server that last started with these settings listens, for a browser.
pub(crate) fn url(settings: &Settings) -> String {
    format!("http://{}", bound(settings).unwrap_or(settings.listen))
}

/// Returns once the server has bound its address and `/readyz` answers 200 there.
///
/// # Errors
/// When the process ends first, or does not become ready in time.
pub(crate) fn wait(settings: &Settings, child: &mut Child) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("the server ended with {status} before it was ready; its own words are above");
        }
        let answer = bound(settings).map(|address| ask(reachable(address)));
        if matches!(answer, Some(Ok(200))) {
            return Ok(());
        }
        if started.elapsed() > LONGEST {
            bail!("the server is not ready after {} s (/readyz: {answer:?})", LONGEST.as_secs());
        }
        thread::sleep(PAUSE);
    }
}

fn bound(settings: &Settings) -> Option<SocketAddr> {
    fs::read_to_string(settings.data_dir.join(ADDRESS_FILE)).ok()?.trim().parse().ok()
}

/// An address of this machine where a server that listens on `listen` can be asked.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// The status of `GET /readyz`.
fn ask(address: SocketAddr) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?; // at once: the server is strict about slow heads
    let mut head = Vec::new();
    stream.take(64).read_to_end(&mut head)?;
    status(&String::from_utf8_lossy(&head))
}

/// Reads `HTTP/1.1 200 OK`.
fn status(head: &str) -> anyhow::Result<u16> {
    let mut words = head.split_whitespace();
    match (words.next(), words.next()) {
        (Some(version), Some(status)) if version.starts_with("HTTP/1.") => Ok(status.parse()?),
        _ => bail!("not HTTP: {head:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        net::TcpListener,
        path::Path,
        process::Command,
    };

    use super::*;

    fn settings(folder: &Path) -> Settings {
        Settings::read(Path::new("/nowhere"), None, Some(folder), None).unwrap()
    }

    #[test]
    fn an_address_of_an_earlier_start_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        fs::write(folder.path().join(ADDRESS_FILE), "127.0.0.1:1").unwrap();
        let file = address_file(&settings).unwrap();
        assert!(!file.exists() && url(&settings) == "http://127.0.0.1:8080");
    }

    #[test]
    fn status_lines_are_read() {
        assert_eq!(status("HTTP/1.1 503 Service Unavailable\r\n").unwrap(), 503);
        assert!(status("SSH-2.0-OpenSSH").is_err() && status("").is_err());
    }

    #[test]
    fn a_wildcard_is_asked_on_loopback() {
        assert_eq!(reachable("0.0.0.0:80".parse().unwrap()), "127.0.0.1:80".parse().unwrap());
        assert_eq!(reachable("[::]:80".parse().unwrap()), "[::1]:80".parse().unwrap());
    }

    #[test]
    fn waiting_ends_when_the_server_is_ready_after_a_refusal() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            for status in ["503 Service Unavailable", "200 OK"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = BufReader::new(&stream).lines().map(Result::unwrap);
                assert_eq!(head.next().unwrap(), "GET /readyz HTTP/1.1");
                assert!(head.any(|line| line.is_empty()));
                write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        });
        let mut child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        fs::write(folder.path().join(ADDRESS_FILE), address.to_string()).unwrap();
        wait(&settings, &mut child).unwrap();
        assert_eq!(url(&settings), format!("http://{address}"));
        server.join().unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn a_server_that_ends_is_reported() {
        let mut child = Command::new("false").spawn().unwrap();
        child.wait().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let error = wait(&settings(folder.path()), &mut child).unwrap_err();
        assert!(error.to_string().contains("before it was ready"), "{error}");
    }
}
