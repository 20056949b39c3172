//! Certificates, fixed addresses and proxies.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tidewaiter_oci::content::fetch_all;
use tidewaiter_oci::remote::{
    Client, ClientCertificate, PlainHttp, ProxySettings, Repository, ResolveRule, Settings,
};
use tidewaiter_oci::{Descriptor, Error, ErrorKind, Reference};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{Reply, Seen, Server, client, impatient};

type Key = CertifiedKey<KeyPair>;

fn key_for(name: &str) -> Key {
    generate_simple_self_signed([name.to_owned()]).expect("a key can be made")
}

fn ring() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A server with this certificate, which wants one from its clients when `clients` is given.
fn server_config(key: &Key, clients: Option<&Key>) -> ServerConfig {
    let builder =
        ServerConfig::builder_with_provider(ring()).with_safe_default_protocol_versions().expect("versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.cert.der().clone()).expect("a certificate");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), ring()).build();
            builder.with_client_cert_verifier(verifier.expect("valid"))
        }
    };
    let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).expect("a key");
    builder.with_single_cert(vec![key.cert.der().clone()], private).expect("they belong together")
}

fn at(name: &str, port: u16, server: SocketAddr) -> ResolveRule {
    ResolveRule { host: name.to_owned(), port, address: server.ip(), address_port: server.port() }
}

fn trusting(key: &Key) -> Settings {
    Settings { ca_certificates: Some(key.cert.pem().into_bytes()), ..impatient() }
}

async fn ping(settings: Settings, registry: &str) -> Result<(), Error> {
    client(settings).registry(registry).expect("valid").ping().await
}

#[tokio::test]
async fn certificates_are_checked_unless_told_otherwise() {
    let key = key_for("registry.test");
    let server = Server::start_tls(server_config(&key, None), |_| Reply::new(200)).await;
    let resolve = vec![at("registry.test", 443, server.address), at("other.test", 443, server.address)];
    let error = ping(Settings { resolve: resolve.clone(), ..impatient() }, "registry.test").await;
    let error = error.expect_err("nobody vouches for it");
    assert!(error.to_string().contains("signed by nobody we trust"), "{error}");
    assert!(matches!(error, Error::Untrusted { .. }), "{error}");
    assert!(server.seen().is_empty());

    let trusted = Settings { resolve, ..trusting(&key) };
    ping(trusted.clone(), "registry.test").await.expect("trusted");
    assert_eq!(server.seen()[0].header("host"), Some("registry.test"));
    let error = ping(trusted.clone(), "other.test").await.expect_err("another name");
    assert!(error.to_string().contains("not valid for name"), "{error}");
    ping(Settings { insecure: true, ..trusted }, "other.test").await.expect("whatever the certificate");
}

#[tokio::test]
async fn a_server_that_speaks_the_other_protocol_is_told_from_one_that_is_broken() {
    let key = key_for("registry.test");
    let secure = Server::start_tls(server_config(&key, None), |_| Reply::new(200)).await;
    let plain = Server::start(|_| Reply::new(200)).await;
    for (plain_http, server, expected) in [
        (PlainHttp::Always, &secure, "it may speak HTTPS"),
        (PlainHttp::Never, &plain, "it may speak plain HTTP"),
    ] {
        let error = ping(Settings { plain_http, ..impatient() }, &server.address.to_string())
            .await
            .expect_err("nobody understands");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn fixed_addresses_are_for_one_host_and_port() {
    let server = Server::start(|_| Reply::new(200)).await;
    let resolve = vec![at("registry.test", 5000, server.address)];
    let settings = Settings { resolve, plain_http: PlainHttp::Always, ..impatient() };
    ping(settings.clone(), "registry.test:5000").await.expect("there");
    assert_eq!(server.seen()[0].header("host"), Some("registry.test:5000"));
    assert!(ping(settings, "registry.test:5001").await.is_err());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn the_client_certificate_is_for_the_registry_only() {
    let (key, own) = (key_for("registry.test"), key_for("client"));
    let storage_key = key_for("storage.test");
    let storage =
        Server::start_tls(server_config(&storage_key, Some(&own)), |_| Reply::new(200).body("hello")).await;
    let open_storage =
        Server::start_tls(server_config(&storage_key, None), |_| Reply::new(200).body("hello")).await;
    let redirect = |seen: &Seen| {
        let port = if seen.target.starts_with("/v2/open/") { 8443 } else { 9443 };
        Reply::new(307).header("location", format!("https://storage.test:{port}/blob"))
    };
    let server = Server::start_tls(server_config(&key, Some(&own)), redirect).await;
    let pem = [key.cert.pem(), storage_key.cert.pem()].concat();
    let settings = Settings {
        ca_certificates: Some(pem.into_bytes()),
        client_certificate: Some(ClientCertificate {
            certificate: own.cert.pem().into_bytes(),
            key: own.signing_key.serialize_pem().into_bytes(),
        }),
        resolve: vec![
            at("registry.test", 443, server.address),
            at("storage.test", 8443, open_storage.address),
            at("storage.test", 9443, storage.address),
        ],
        ..impatient()
    };
    let blob = Descriptor::of("text/plain", b"hello");
    let repository = |name: &str| -> Repository {
        let reference = Reference::parse(&format!("registry.test/{name}")).expect("valid");
        client(settings.clone()).repository(&reference).expect("valid")
    };
    assert_eq!(fetch_all(&repository("open"), &blob, 10).await.expect("redirected"), "hello");
    assert!(
        fetch_all(&repository("closed"), &blob, 10).await.is_err(),
        "storage must not see our certificate"
    );
    assert!(storage.seen().is_empty());
    let without = Settings { client_certificate: None, ..settings };
    assert!(ping(without, "registry.test").await.is_err(), "the registry wants to see it");
}

#[tokio::test]
async fn proxies_are_used_but_for_this_machine_and_what_is_listed() {
    let proxy = Server::start(|_| Reply::new(200)).await;
    let server = Server::start(|_| Reply::new(200)).await;
    let settings = Settings {
        plain_http: PlainHttp::Always,
        proxy: ProxySettings {
            http: Some(format!("http://{}", proxy.address)),
            no_proxy: Some("direct.test,some.test:5000".to_owned()),
            ..ProxySettings::default()
        },
        ..impatient()
    };
    ping(settings.clone(), "registry.test").await.expect("by proxy");
    assert_eq!(proxy.seen()[0].header("host"), Some("registry.test"));
    ping(settings.clone(), &server.address.to_string()).await.expect("directly");
    assert_eq!(server.seen().len(), 1);
    // Nobody answers to these names.
    assert!(ping(settings.clone(), "direct.test").await.is_err());
    assert!(ping(settings.clone(), "some.test:5000").await.is_err());
    assert_eq!(proxy.seen().len(), 1);
    ping(settings, "some.test:5001").await.expect("by proxy");
}

#[tokio::test]
async fn a_proxy_that_is_down_is_named_without_its_password() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    for plain_http in [PlainHttp::Always, PlainHttp::Never] {
        let address = Some(format!("http://user:secret@{closed}"));
        let proxy = ProxySettings { http: address.clone(), https: address, no_proxy: None };
        let settings = Settings { plain_http, proxy, ..impatient() };
        let error = ping(settings, "registry.test").await.expect_err("nobody listens").to_string();
        assert!(error.contains(&format!("through the proxy http://{closed} (HTTP")), "{error}");
        assert!(error.contains("refused") && !error.contains("secret"), "{error}");
    }
}

/// Answers as a SOCKS5 proxy (RFC 1928) without authentication, and connects whatever it is asked for to one
/// address. Gives the name and port it was asked for.
async fn socks5(listener: TcpListener, to: SocketAddr) -> std::io::Result<(String, u16)> {
    let (mut client, _) = listener.accept().await?;
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await?;
    client.read_exact(&mut vec![0; usize::from(greeting[1])]).await?;
    client.write_all(&[5, 0]).await?;
    let mut request = [0; 5];
    client.read_exact(&mut request).await?;
    assert_eq!(request[..4], [5, 1, 0, 3], "connect to a name");
    let mut name = vec![0; usize::from(request[4])];
    client.read_exact(&mut name).await?;
    let port = client.read_u16().await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    let mut server = TcpStream::connect(to).await?;
    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
    Ok((String::from_utf8(name).expect("a name"), port))
}

#[tokio::test]
async fn socks_proxies_look_names_up_themselves() {
    let server = Server::start(|_| Reply::new(200)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("socks5://{}", listener.local_addr().expect("an address"));
    let asked = tokio::spawn(socks5(listener, server.address));
    let proxy = ProxySettings { http: Some(address), ..ProxySettings::default() };
    let settings = Settings { plain_http: PlainHttp::Always, proxy, ..impatient() };
    ping(settings, "registry.test:5000").await.expect("by proxy");
    assert_eq!(server.lines(), ["GET /v2/"]);
    assert_eq!(asked.await.expect("it ran").expect("served"), ("registry.test".to_owned(), 5000));
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_once() {
    let check = |settings: Settings, what: &str| {
        let error = Client::new(settings).expect_err("useless");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().starts_with(what), "{error}");
    };
    check(
        Settings { ca_certificates: Some(b"nothing".to_vec()), ..Settings::default() },
        "CA certificates: ",
    );
    let pair = ClientCertificate { certificate: b"x".to_vec(), key: b"y".to_vec() };
    check(Settings { client_certificate: Some(pair), ..Settings::default() }, "client certificate and key: ");
    let proxy = ProxySettings { https: Some("http://:no".to_owned()), ..ProxySettings::default() };
    check(Settings { proxy, ..Settings::default() }, "proxy address in HTTPS_PROXY: ");
    let error = client(Settings::default()).registry("a/b").expect_err("no host");
    assert_eq!(error.kind(), ErrorKind::Config);
}
