//! A real S3 server inside the test process: signatures are checked, objects are files.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use kubemate_objects::{S3Config, S3Keys};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub(crate) const BUCKET: &str = "bank";
const KEY: &str = "KUBEMATETESTS";
const SECRET: &str = "not-a-secret";

/// It ends with the test's runtime.
pub(crate) struct Server {
    folder: TempDir,
    address: SocketAddr,
    is_secure: bool,
}

impl Server {
    /// A server with an empty bucket.
    pub(crate) async fn start() -> Self {
        Self::with(false).await
    }

    /// The same behind TLS, with a certificate of its own CA.
    pub(crate) async fn secure() -> Self {
        Self::with(true).await
    }

    async fn with(is_secure: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("s3").join(BUCKET)).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path().join("s3")).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = is_secure.then(|| acceptor(folder.path()));
        tokio::spawn(accept(listener, service.build(), tls));
        Self { folder, address, is_secure }
    }

    pub(crate) fn config(&self) -> S3Config {
        let scheme = if self.is_secure { "https" } else { "http" };
        S3Config {
            bucket: BUCKET.to_owned(),
            prefix: String::new(),
            endpoint: Some(format!("{scheme}://localhost:{}", self.address.port())),
            region: "eu-central-1".to_owned(),
            path_style: true,
            keys: S3Keys { id: KEY.to_owned(), secret: SECRET.to_owned(), session: None },
            ca_file: None,
            part_bytes: 5 << 20,
            timeout: Duration::from_secs(60),
        }
    }

    /// The folder whose files are the bucket's objects.
    pub(crate) fn bucket(&self) -> PathBuf {
        self.folder.path().join("s3").join(BUCKET)
    }

    /// Files that hold parts of unfinished uploads, or say which there are.
    pub(crate) fn unfinished(&self) -> usize {
        let entries = fs::read_dir(self.folder.path().join("s3")).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".upload")).count()
    }

    /// The certificate of the CA.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }
}

async fn accept(listener: TcpListener, service: S3Service, tls: Option<TlsAcceptor>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (service, tls) = (service.clone(), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(socket, service).await,
                Some(tls) => {
                    if let Ok(socket) = tls.accept(socket).await {
                        serve(socket, service).await;
                    }
                }
            }
        });
    }
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, service: S3Service) {
    let _the_client_is_gone = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
}

fn acceptor(folder: &Path) -> TlsAcceptor {
    openssl(folder, "ca", &["-subj", "/CN=the house's own"]);
    let name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    let leaf = ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", "ca.crt", "-CAkey", "ca.key"];
    openssl(folder, "server", &[&name[..], &leaf[..]].concat());
    let certificate = CertificateDer::from_pem_file(folder.join("server.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap()))
}

/// Makes a key and its certificate.
fn openssl(folder: &Path, name: &str, more: &[&str]) {
    let mut openssl = Command::new("openssl");
    openssl.current_dir(folder);
    openssl.args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(' ')).args(more);
    openssl.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")]);
    let out = openssl.output().expect("openssl starts; `apt-get install openssl` brings it");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}
