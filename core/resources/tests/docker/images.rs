//! Where images come from.

use std::collections::HashMap;
use std::sync::Mutex;

use futures::future::join_all;
use occopus_engine::handler::{ErrorKind, Progress, ResourceHandler, ResourceState};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{Answer, Bench, IDLE, Web, fresh_image};

/// Keeps the lines of progress.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Progress for Lines {
    fn report(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

#[tokio::test]
async fn a_local_image_must_be_there() {
    let Some(bench) = Bench::new() else { return };
    bench.prepare(&bench.request(json!({"origin": "local"}), json!({}))).await.unwrap();
    let image = fresh_image();
    let error = bench
        .prepare(&bench.request(json!({"origin": "local", "image": image}), json!({})))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains(&format!("docker tag SOURCE {image}:latest")), "{error}");
}

#[tokio::test]
async fn an_archive_is_imported_once_and_its_container_runs() {
    let Some(bench) = Bench::new() else { return };
    let archive = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(archive.path(), bench.rootfs().await).unwrap();
    let image = fresh_image();
    let resource =
        json!({"image": image, "tag": 18.04, "origin": format!("file://{}", archive.path().display())});
    let request = bench.request(resource, json!({"command": IDLE}));
    let lines = Lines::default();
    bench.handler.prepare(&bench.access, &request, &lines).await.unwrap();
    assert!(lines.0.lock().unwrap()[0].starts_with(&format!("importing {image}:18.04: ")), "{:?}", lines.0);

    let reference = format!("{image}:18.04");
    let imported = bench.image_id(&reference).await.unwrap();
    archive.close().unwrap();
    bench.prepare(&request).await.unwrap();
    assert_eq!(bench.image_id(&reference).await.unwrap(), imported);

    let id = bench.create(&request).await.unwrap();
    bench.until(&id, ResourceState::Running).await;
    bench.destroy(&id).await;
    assert_eq!(bench.image_id(&reference).await.unwrap(), imported, "the image stays");
    bench.remove_image(&reference).await;
}

#[tokio::test]
async fn an_archive_that_cannot_be_read_is_named() {
    let Some(bench) = Bench::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("no-archive");
    std::fs::write(&text, "this is no archive ".repeat(1000)).unwrap();
    for path in [dir.path().join("absent.tar"), dir.path().to_owned(), text] {
        let image = fresh_image();
        let origin = format!("file://{}", path.display());
        let request = bench.request(json!({"image": image, "origin": origin}), json!({}));
        let error = bench.prepare(&request).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
        assert!(error.message.contains(&origin), "{error}");
        assert_eq!(bench.image_id(&image).await, None);
    }
}

#[tokio::test]
async fn an_archive_on_the_web_is_downloaded_once_for_many_containers() {
    let Some(bench) = Bench::new() else { return };
    let web = Web::serve([("/root.tar".to_owned(), Answer::new(200, bench.rootfs().await))].into()).await;
    let image = fresh_image();
    let origin = web.url("/root.tar");
    let request = || bench.request(json!({"image": image, "origin": origin}), json!({"command": IDLE}));
    let requests: Vec<_> = (0..5).map(|_| request()).collect();
    for outcome in join_all(requests.iter().map(|request| bench.prepare(request))).await {
        outcome.unwrap();
    }
    assert_eq!(web.count("/root.tar"), 1);
    let id = bench.create(&requests[0]).await.unwrap();
    bench.until(&id, ResourceState::Running).await;
    bench.destroy(&id).await;
    bench.remove_image(&image).await;
}

#[tokio::test]
async fn a_download_that_fails_or_breaks_off_makes_no_image() {
    let Some(bench) = Bench::new() else { return };
    let rootfs = bench.rootfs().await;
    let half = Answer { announced: rootfs.len(), ..Answer::new(200, &rootfs[..rootfs.len() / 2]) };
    let answers = [
        ("/half.tar".to_owned(), half),
        ("/broken.tar".to_owned(), Answer::new(503, "")),
        ("/private.tar".to_owned(), Answer::new(403, "")),
    ];
    let web = Web::serve(answers.into()).await;
    let cases = [
        ("/half.tar", ErrorKind::Transient, "broke off"),
        ("/broken.tar", ErrorKind::Transient, "503"),
        ("/private.tar", ErrorKind::Auth, "403"),
        ("/absent.tar", ErrorKind::NotFound, "404"),
    ];
    for (path, kind, why) in cases {
        let image = fresh_image();
        let origin = web.url(path);
        let error = bench
            .prepare(&bench.request(json!({"image": image, "origin": origin}), json!({})))
            .await
            .unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(why) && error.message.contains(&origin), "{error}");
        assert_eq!(bench.image_id(&image).await, None);
    }
}

/// Paths and answers of a registry that has `test/image:latest` with one layer.
fn registry(layer: &[u8]) -> HashMap<String, Answer> {
    let digest = |bytes: &[u8]| {
        let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    };
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": config.len(), "digest": digest(config.as_bytes()),
        },
        "layers": [{
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "size": layer.len(), "digest": digest(layer),
        }],
    })
    .to_string();
    let manifest_answer = Answer::new(200, manifest.as_bytes())
        .header("content-type", "application/vnd.docker.distribution.manifest.v2+json")
        .header("docker-content-digest", digest(manifest.as_bytes()));
    let base = "/v2/test/image";
    HashMap::from([
        ("/v2/".to_owned(), Answer::new(200, "{}").header("docker-distribution-api-version", "registry/2.0")),
        (format!("{base}/manifests/latest"), manifest_answer.clone()),
        (format!("{base}/manifests/{}", digest(manifest.as_bytes())), manifest_answer),
        (format!("{base}/blobs/{}", digest(config.as_bytes())), Answer::new(200, config.as_bytes())),
        (format!("{base}/blobs/{}", digest(layer)), Answer::new(200, layer)),
    ])
}

#[tokio::test]
async fn an_image_is_pulled_once_for_many_containers_and_kept_when_its_registry_goes_away() {
    let Some(bench) = Bench::new() else { return };
    let web = Web::serve(registry(&bench.rootfs().await)).await;
    let image = format!("127.0.0.1:{}/test/image", web.port);
    let request = || bench.request(json!({"image": image, "origin": null}), json!({"command": IDLE}));
    let requests: Vec<_> = (0..5).map(|_| request()).collect();
    let lines = Lines::default();
    for outcome in
        join_all(requests.iter().map(|request| bench.handler.prepare(&bench.access, request, &lines))).await
    {
        outcome.unwrap();
    }
    assert_eq!(web.count("/manifests/latest"), 1);
    assert_eq!(lines.0.lock().unwrap().last().unwrap(), &format!("pulling {image}:latest: 1 of 1 layers"));
    let id = bench.create(&requests[0]).await.unwrap();
    bench.until(&id, ResourceState::Running).await;

    drop(web);
    bench.prepare(&request()).await.unwrap();
    bench.destroy(&id).await;
    bench.remove_image(&image).await;
}

#[tokio::test]
async fn an_image_that_no_registry_has_is_refused() {
    let Some(bench) = Bench::new() else { return };
    let web = Web::serve(registry(b"")).await;
    let image = format!("127.0.0.1:{}/test/absent", web.port);
    let error = bench
        .prepare(&bench.request(json!({"image": image, "origin": "dockerhub"}), json!({})))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    assert!(error.message.contains(&image), "{error}");
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_pull_is_noticed() {
    let Some(bench) = Bench::new() else { return };
    let mut answers = registry(&bench.rootfs().await);
    for (path, answer) in &mut answers {
        // The manifest is fine, but what it names is damaged.
        if path.contains("/blobs/") && answer.body.len() > 100_000 {
            answer.body.fill(0);
        }
    }
    let web = Web::serve(answers).await;
    let image = format!("127.0.0.1:{}/test/image", web.port);
    bench.prepare(&bench.request(json!({"image": image, "origin": ""}), json!({}))).await.unwrap_err();
    assert_eq!(bench.image_id(&image).await, None);
}

#[tokio::test]
async fn a_registry_that_is_down_is_a_passing_fault() {
    let Some(bench) = Bench::new() else { return };
    let web = Web::serve(HashMap::new()).await;
    let image = format!("127.0.0.1:{}/test/image", web.port);
    drop(web);
    let error =
        bench.prepare(&bench.request(json!({"image": image, "origin": ""}), json!({}))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    assert!(error.message.contains(&image), "{error}");
}
