//! The resource sections of the built-in types. Required keys stand in the order in which missing ones
//! are named; `type` is left out: every section has it.

use super::{Field, Kind};

const URL: Kind = Kind::Url(&[]);
const NAME_DOC: &str = "A label, for log lines and for choosing credentials; the endpoint if absent.";
const SERVER_NAME_DOC: &str = "Host name, a template; made from infrastructure and node if absent.";

/// `type: process`.
pub const PROCESS: &[Field] = &[
    Field::optional("endpoint", Kind::Word(&["local"]), "Where the process runs: local, and nothing else.")
        .elsewhere(),
    Field::optional("name", Kind::Text, NAME_DOC),
    Field::optional(
        "stop_timeout",
        Kind::Number { min: 0.0, max: 86_400.0 },
        "Seconds between the request to end and the kill; 10 if absent.",
    )
    .elsewhere(),
];

/// `type: docker`.
pub const DOCKER: &[Field] = &[
    Field::required(
        "endpoint",
        Kind::Url(&["unix", "tcp", "http", "https"]),
        "The Docker daemon, such as unix:///var/run/docker.sock or tcp://HOST:2375.",
    ),
    Field::required(
        "origin",
        Kind::Either(&[Kind::Word(&["dockerhub", "local"]), URL]),
        "dockerhub: pull; local: the image is there; else the URL of an archive.",
    ),
    Field::required("image", Kind::Text, "Name of the image."),
    Field::required("tag", Kind::Text, "Tag of the image; quote it: 1.10 without quotes is the number 1.1."),
    Field::optional("name", Kind::Text, NAME_DOC),
];

/// `type: ec2`.
pub const EC2: &[Field] = &[
    Field::required("endpoint", URL, "The EC2 interface, such as https://ec2.eu-west-1.amazonaws.com."),
    Field::required("regionname", Kind::Text, "Region, such as eu-west-1."),
    Field::required("image_id", Kind::Text, "Id of the image (AMI)."),
    Field::required("instance_type", Kind::Text, "Instance type, such as t3.small."),
    Field::optional("key_name", Kind::Text, "Name of the key pair for SSH."),
    Field::optional("security_group_ids", Kind::TEXTS, "Ids (not names) of security groups."),
    Field::optional("subnet_id", Kind::Text, "Id of the subnet."),
    Field::optional("name", Kind::Text, NAME_DOC),
    Field::optional("tags", Kind::Dict(&Kind::Text), "Tags of the instance: a mapping of names to values."),
];

/// `type: nova`.
pub const NOVA: &[Field] = &[
    Field::required("endpoint", URL, "The identity service (Keystone); /v3 is added if there is no version."),
    Field::required("image_id", Kind::Text, "Id of the image."),
    Field::required("flavor_name", Kind::Text, "Name or id of the flavor."),
    Field::required("project_id", Kind::Text, "Id of the project; not used with application credentials."),
    Field::optional("server_name", Kind::Text, SERVER_NAME_DOC),
    Field::optional("key_name", Kind::Text, "Name of the key pair for SSH."),
    Field::optional("security_groups", Kind::TEXTS, "Names of security groups."),
    Field::optional(
        "floating_ip",
        Kind::Any,
        "If this key is there, whatever its value, a floating address is added.",
    )
    .elsewhere(),
    Field::optional("name", Kind::Text, NAME_DOC),
    Field::optional("tenant_name", Kind::Text, "Accepted without effect; use project_id."),
    Field::optional("user_domain_name", Kind::Text, "Domain of the user; Default if absent."),
    Field::optional("network_id", Kind::Text, "Id of the network; the cloud decides if absent."),
    Field::optional(
        "floating_ip_pool",
        Kind::Text,
        "Network to take a floating address from; implies floating_ip.",
    ),
    Field::optional("region_name", Kind::Text, "Region."),
    Field::optional(
        "volume_size",
        Kind::Either(&[Kind::Number { min: 0.0, max: f64::MAX }, Kind::Bool, Kind::String]),
        "Boot volume in GB; 0 lets the cloud choose; no volume if absent.",
    )
    .elsewhere(),
    Field::optional(
        "volume_persist",
        Kind::Bool,
        "Whether the volume is kept when the instance is destroyed.",
    ),
];

/// `type: azure_vm`.
pub const AZURE_VM: &[Field] = &[
    Field::required("endpoint", URL, "A label, such as https://management.azure.com."),
    Field::required("resource_group", Kind::Text, "Resource group; made if it does not exist."),
    Field::required("location", Kind::Text, "Region, such as westeurope."),
    Field::required("vm_size", Kind::Text, "Size, such as Standard_B1s."),
    Field::required("publisher", Kind::Text, "Publisher of the image."),
    Field::required("offer", Kind::Text, "Offer of the image."),
    Field::required("sku", Kind::Text, "Kind (SKU) of the image."),
    Field::required("version", Kind::Text, "Version of the image, such as latest; quote numbers."),
    Field::required("username", Kind::Text, "Name of the administrator."),
    Field::optional("password", Kind::Text, "Password of the administrator; this or ssh_key_data is needed."),
    Field::optional("ssh_key_data", Kind::Text, "Public SSH key; this or password is needed."),
    Field::optional(
        "public_ip_needed",
        Kind::Bool,
        "Whether the machine gets a public address; false if absent.",
    ),
    Field::optional("vnet_name", Kind::Text, "Existing network; one is made if absent."),
    Field::optional("subnet_name", Kind::Text, "Existing subnet of vnet_name; one is made if absent."),
    Field::optional("customdata", Kind::Any, "Accepted without effect; use contextualisation."),
    Field::optional("server_name", Kind::Text, SERVER_NAME_DOC),
];

/// `type: azure_aci`.
pub const AZURE_ACI: &[Field] = &[
    Field::required("endpoint", URL, "A label, such as https://management.azure.com."),
    Field::required("resource_group", Kind::Text, "Resource group; made if it does not exist."),
    Field::required("location", Kind::Text, "Region, such as westeurope."),
    Field::required("cpu_cores", Kind::POSITIVE, "Number of CPU cores."),
    Field::required("memory", Kind::POSITIVE, "Memory in GB."),
    Field::required("image", Kind::Text, "Name of the image, with its registry if it is not Docker Hub."),
    Field::required("os_type", Kind::Word(&["linux", "windows"]), "Operating system: linux or windows."),
    Field::required(
        "network_type",
        Kind::Word(&["public", "private"]),
        "Kind of address: public or private.",
    )
    .elsewhere(),
    Field::optional("gpu_type", Kind::Text, "Type of GPU: K80, P100 or V100."),
    Field::optional("gpu_count", Kind::Int { min: 1, max: i64::MAX }, "Number of GPUs; 1 if absent."),
    Field::optional(
        "ports",
        Kind::List(&Kind::Either(&[Kind::PORT, Kind::String])),
        "Open ports: numbers (TCP), or texts such as 53/udp.",
    ),
    Field::optional(
        "vnet_name",
        Kind::Text,
        "Existing network for a private address; one is made if absent.",
    ),
    Field::optional("subnet_name", Kind::Text, "Existing subnet of vnet_name; one is made if absent."),
];

/// `type: cloudsigma`.
pub const CLOUDSIGMA: &[Field] = &[
    Field::required("endpoint", URL, "Root of the API, such as https://zrh.cloudsigma.com/api/2.0."),
    Field::required("libdrive_id", Kind::Text, "Id of the library drive to clone."),
    Field::required(
        "description",
        Kind::Open(&[
            Field::required("cpu", Kind::COUNT, "CPU in MHz."),
            Field::required("mem", Kind::COUNT, "Memory in bytes."),
            Field::required("vnc_password", Kind::Text, "Password for VNC."),
            Field::optional("name", Kind::Text, SERVER_NAME_DOC),
        ]),
        "The server as the API takes it; further keys are passed on.",
    )
    .strict(),
    Field::optional("name", Kind::Text, NAME_DOC),
];

/// `type: cloudbroker`.
pub const CLOUDBROKER: &[Field] = &[
    Field::required("endpoint", URL, "The CloudBroker platform."),
    Field::required(
        "description",
        Kind::Open(&[
            Field::required("deployment_id", Kind::Text, "Id of the deployment."),
            Field::required("instance_type_id", Kind::Text, "Id of the instance type."),
            Field::optional("key_pair_id", Kind::Text, "Id of the key pair for SSH."),
            Field::optional("opened_port", Kind::Text, "Open ports as one text, such as 22,80."),
        ]),
        "The instance as the API takes it; further keys are passed on.",
    )
    .strict(),
    Field::optional("name", Kind::Text, NAME_DOC),
    Field::optional("start_in_vpc", Kind::Any, "Whether the instance starts in a private network."),
];
