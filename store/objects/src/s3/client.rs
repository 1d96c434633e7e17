//! The SDK's client, on the TLS stack of the house and with bounded patience.

use std::path::Path;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::S3Config;
use crate::ObjectsError;

/// Longest wait for a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a request is sent before its failure is told: the SDK's own number.
const TRIES: u32 = 3;

pub(super) fn build(config: &S3Config) -> Result<Client, ObjectsError> {
    let keys = &config.keys;
    let credentials = Credentials::new(&keys.id, &keys.secret, keys.session.clone(), None, "kubemate");
    // Each request's body is hashed into its signature anyway; trailers with further sums are refused by many servers.
    let mut builder = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials)
        .region(Region::new(config.region.clone()))
        .force_path_style(config.path_style)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
        .timeout_config(patience(config.timeout))
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(config.timeout).build())
        .http_client(transport(config)?);
    if let Some(endpoint) = &config.endpoint {
        if !["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme)) {
            return Err(ObjectsError::Setup(format!("`{endpoint}` is not of the form `https://host:port`")));
        }
        builder = builder.endpoint_url(endpoint);
    }
    Ok(Client::from_conf(builder.build()))
}

/// A part goes up in one request, so that the whole attempt is not bounded, only each silence.
fn patience(timeout: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(timeout).build()
}

fn transport(config: &S3Config) -> Result<SharedHttpClient, ObjectsError> {
    let builder = aws_smithy_http_client::Builder::new();
    if config.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")) {
        return Ok(builder.build_http());
    }
    let mut trusted = TrustStore::default();
    if let Some(file) = &config.ca_file {
        trusted = trusted.with_pem_certificate(certificates(file).map_err(ObjectsError::Setup)?);
    }
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let context = context.map_err(|error| ObjectsError::Setup(error.to_string()))?;
    Ok(builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context).build_https())
}

/// The file's bytes, once it is known that each certificate in it can be used.
fn certificates(file: &Path) -> Result<Vec<u8>, String> {
    let place = file.display();
    let pem = std::fs::read(file).map_err(|error| format!("`{place}` cannot be read: {error}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| format!("`{place}` is not PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("a certificate in `{place}` cannot be used: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!("`{place}` holds no certificate"));
    }
    Ok(pem)
}
