//! A webhook over TLS: its receiver is believed when the configured authority signed it, and not before.
//!
//! The certificates in `tls/` were made for this test alone, with openssl, and are good for a hundred years.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::notify::tests::hooks::{
    body, dead_letters, feedback, is_whole, notifier_trusting, until,
};
use crate::notify::{HookEvent, Told};
use crate::store::Ledger;

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/notify/tests/tls")
        .join(name)
}

/// A receiver that speaks TLS alone, and what it heard.
async fn receiver() -> (String, Arc<Mutex<Vec<String>>>) {
    let chain = CertificateDer::pem_file_iter(file("receiver.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("receiver.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let keeping = heard.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Who does not believe the certificate hangs up here.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = String::new();
            let mut piece = [0; 4096];
            while !is_whole(&request) {
                match stream.read(&mut piece).await {
                    Ok(count) if count > 0 => {
                        request.push_str(&String::from_utf8_lossy(&piece[..count]));
                    }
                    _ => break,
                }
            }
            keeping.lock().unwrap().push(request);
            let answer = "HTTP/1.1 200 x\r\ncontent-length: 4\r\nconnection: close\r\n\r\nsaid";
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (format!("https://localhost:{port}/hook"), heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_told_over_tls_when_the_configured_authority_signed_it() {
    let (url, heard) = receiver().await;
    let ledger = Ledger::in_memory().await.unwrap();
    let authority = Some(file("authority.pem"));
    let notifier = notifier_trusting(&ledger, &url, &[HookEvent::Feedback], authority).await;
    let told = Told {
        feedback: vec![feedback(1)],
        ..Told::default()
    };
    notifier.tell(1, &told).await.unwrap();
    let heard = until(&heard, 1).await;
    assert_eq!(body(&heard[0])["trigger"], "T-000017");
    notifier.shutdown(Duration::from_secs(2)).await.unwrap();
    assert_eq!(notifier.counts().webhooks, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_nobody_known_signed_is_told_nothing() {
    let (url, heard) = receiver().await;
    let ledger = Ledger::in_memory().await.unwrap();
    let notifier = notifier_trusting(&ledger, &url, &[HookEvent::Feedback], None).await;
    let told = Told {
        feedback: vec![feedback(1)],
        ..Told::default()
    };
    notifier.tell(1, &told).await.unwrap();
    let dead = dead_letters(&ledger).await;
    let why = dead[0].last_error.clone().unwrap();
    assert!(why.to_lowercase().contains("certificate"), "{why}");
    assert!(heard.lock().unwrap().is_empty());
    notifier.shutdown(Duration::from_secs(2)).await.unwrap();
}
