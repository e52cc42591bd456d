//! Where configuration comes from: formats, providers, flags, variables; and what is said of a key nobody knows.

#![cfg(test)]

use rollgate_testkit::{Backend, Gateway, Launch, rollgate};

fn yaml(backend: &Backend) -> String {
    format!(
        "http:\n  routers: {{r: {{rule: 'Host(`a.test`)', service: s}}}}\n  services: {{s: {}}}\n",
        backend.load_balancer()
    )
}

async fn serves(gateway: &Gateway) {
    assert_eq!(gateway.get("http://a.test/").await.status, 200);
    assert_eq!(gateway.get("http://b.test/").await.status, 404);
}

const ENTRY_POINTS: &str = "entryPoints: {web: {address: '127.0.0.1:0'}, traefik: {address: '127.0.0.1:0'}}\n";

#[tokio::test]
async fn yaml_toml_and_json_mean_the_same() {
    let backend = Backend::echo("s");
    let url = backend.url();
    let toml = format!(
        "[entryPoints.web]
address = \"127.0.0.1:0\"
[entryPoints.traefik]
address = \"127.0.0.1:0\"
[http.routers.r]
rule = \"Host(`a.test`)\"
service = \"s\"
[[http.services.s.loadBalancer.servers]]
url = \"{url}\"
"
    );
    let json = format!(
        "{{\"entryPoints\": {{\"web\": {{\"address\": \"127.0.0.1:0\"}}, \"traefik\": {{\"address\": \"127.0.0.1:0\"}}}},
 \"http\": {{\"routers\": {{\"r\": {{\"rule\": \"Host(`a.test`)\", \"service\": \"s\"}}}},
 \"services\": {{\"s\": {{\"loadBalancer\": {{\"servers\": [{{\"url\": \"{url}\"}}]}}}}}}}}}}
"
    );
    let yaml = format!("{ENTRY_POINTS}{}", yaml(&backend));
    for (name, text) in [("c.yml", &yaml), ("c.yaml", &yaml), ("c.toml", &toml), ("c.json", &json)] {
        serves(&Launch::empty().config(name, text).start()).await;
    }
}

#[tokio::test]
async fn keys_are_read_in_any_case() {
    let backend = Backend::echo("s");
    let config = format!("{ENTRY_POINTS}{}", yaml(&backend))
        .replace("entryPoints", "ENTRYPOINTS")
        .replace("routers", "Routers")
        .replace("loadBalancer", "loadbalancer");
    serves(&Gateway::start(&config)).await;
}

#[tokio::test]
async fn the_dynamic_part_may_be_a_file_a_folder_or_the_same_file() {
    let backend = Backend::echo("s");
    let file = format!("{ENTRY_POINTS}providers: {{file: {{filename: '@DIR@/dynamic.yml'}}}}\n");
    serves(&Launch::new(&file).file("dynamic.yml", &yaml(&backend)).start()).await;

    let relative = format!("{ENTRY_POINTS}providers: {{file: {{filename: dynamic.yml}}}}\n");
    serves(&Launch::new(&relative).file("dynamic.yml", &yaml(&backend)).start()).await;

    let folder = format!("{ENTRY_POINTS}providers: {{file: {{directory: '@DIR@/conf'}}}}\n");
    let services = format!("http:\n  services: {{s: {}}}\n", backend.load_balancer());
    let routers = "[http.routers.r]\nrule = \"Host(`a.test`)\"\nservice = \"s\"\n";
    let launch = Launch::new(&folder)
        .file("conf/services.yml", &services)
        .file("conf/deeper/routers.toml", routers)
        .file("conf/notes.txt", "this is no configuration");
    serves(&launch.start()).await;

    let itself = format!("{ENTRY_POINTS}providers: {{file: {{filename: '@DIR@/rollgate.yml'}}}}\n{}", yaml(&backend));
    serves(&Gateway::start(&itself)).await;
}

#[tokio::test]
async fn flags_and_variables_are_traefiks() {
    let backend = Backend::echo("s");
    let flags = Launch::empty().file("dynamic.yml", &yaml(&backend)).arguments(&[
        "run",
        "--entryPoints.web.address=127.0.0.1:0",
        "--entrypoints.traefik.address=127.0.0.1:0",
        "--providers.file.filename=@DIR@/dynamic.yml",
        "--ping",
    ]);
    serves(&flags.start()).await;

    let variables = Launch::empty()
        .file("dynamic.yml", &yaml(&backend))
        .arguments(&["run"])
        .variable("TRAEFIK_ENTRYPOINTS_WEB_ADDRESS", "127.0.0.1:0")
        .variable("TRAEFIK_ENTRYPOINTS_TRAEFIK_ADDRESS", "127.0.0.1:0")
        .variable("TRAEFIK_PROVIDERS_FILE_FILENAME", "@DIR@/dynamic.yml");
    serves(&variables.start()).await;
}

#[tokio::test]
async fn the_configuration_file_has_traefiks_flag_too() {
    let backend = Backend::echo("s");
    let config = format!("{ENTRY_POINTS}{}", yaml(&backend));
    let launch = Launch::new(&config).arguments(&["run", "--configFile=@DIR@/rollgate.yml"]);
    serves(&launch.start()).await;
}

#[tokio::test]
async fn what_is_not_supported_yet_can_be_allowed_and_stays_visible() {
    let backend = Backend::echo("s");
    let config = format!(
        "{ENTRY_POINTS}metrics: {{prometheus: {{}}}}
certificatesResolvers: {{le: {{acme: {{email: a@b.test, storage: acme.json}}}}}}
{}",
        yaml(&backend)
    );
    let refused = Launch::new(&config);
    let directory = refused.directory().to_owned();
    let output = rollgate(&directory, &["run", "--config", "rollgate.yml"]);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("certificatesResolvers"), "{output:?}");
    assert!(output.stderr.contains("not supported"), "{output:?}");

    let gateway = Launch::new(&config).argument("--allow-unsupported=certificatesResolvers").start();
    serves(&gateway).await;
    let problems = gateway.metrics().await.sum("rollgate_unsupported_allowed", &[("key", "certificatesResolvers")]);
    assert!(problems > 0.0, "it is counted as long as it is there");
    assert!(gateway.stderr().contains("certificatesResolvers"), "{}", gateway.stderr());
}

#[test]
fn a_start_with_a_broken_file_ends_with_every_problem() {
    let launch = Launch::new("entryPoints: {web: {adress: ':80'}}\nhtp: {}\n");
    let output = rollgate(launch.directory(), &["run", "--config", "rollgate.yml"]);
    assert_eq!(output.code, 1, "{output:?}");
    for told in ["adress", "htp", "rollgate.yml:1:", "rollgate.yml:2:"] {
        assert!(output.stderr.contains(told), "{told}: {output:?}");
    }
}

#[test]
fn an_address_that_is_taken_ends_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = format!("entryPoints: {{web: {{address: '{address}'}}, traefik: {{address: '127.0.0.1:0'}}}}\n");
    let launch = Launch::new(&config);
    let output = rollgate(launch.directory(), &["run", "--config", "rollgate.yml"]);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains(&address.to_string()) && output.stderr.contains("web"), "{output:?}");
}
