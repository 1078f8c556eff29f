//! The credentials file.

use super::{Field, Kind};
use crate::definition::Section;

/// The keys of a credentials file.
pub const CREDENTIALS: &[Field] = &[
    Field::optional(
        "resource",
        Kind::List(&Kind::Open(CREDENTIALS_ENTRY)),
        "Credentials of clouds and engines.",
    )
    .elsewhere(),
    Field::optional(
        "config_management",
        Kind::List(&Kind::Open(CREDENTIALS_ENTRY)),
        "Credentials of config managers.",
    )
    .elsewhere(),
];

/// The keys of an entry; all keys but `auth_data` are a filter: the section of the node must have each
/// with an equal value.
pub const CREDENTIALS_ENTRY: &[Field] = &[
    Field::optional("type", Kind::Text, "Type of the sections that the entry is for.").elsewhere(),
    Field::optional("endpoint", Kind::Text, "Endpoint of the sections that the entry is for.").elsewhere(),
    Field::optional("name", Kind::Text, "Name of the sections that the entry is for.").elsewhere(),
    Field::required("auth_data", Kind::FREE, "The credentials.").strict().nullable(true).elsewhere(),
];

/// One form that `auth_data` can have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AuthForm {
    /// The section whose credentials they are.
    pub section: Section,
    /// The types of that section.
    pub types: &'static [&'static str],
    /// The value that `type` inside `auth_data` must have; `None` if it must be absent.
    pub tag: Option<&'static str>,
    /// The fields.
    pub fields: &'static [Field],
}

/// Every form of `auth_data`. Types that are not named here need no credentials.
pub const AUTH_FORMS: &[AuthForm] = &[
    AuthForm {
        section: Section::Resource,
        types: &["ec2"],
        tag: None,
        fields: &[
            Field::required("accesskey", Kind::Text, "Access key id."),
            Field::required("secretkey", Kind::Text, "Secret access key."),
        ],
    },
    AuthForm { section: Section::Resource, types: &["nova"], tag: None, fields: USER },
    AuthForm {
        section: Section::Resource,
        types: &["nova"],
        tag: Some("application_credential"),
        fields: &[
            Field::required("id", Kind::Text, "Id of the application credential."),
            Field::required("secret", Kind::Text, "Secret of the application credential."),
        ],
    },
    AuthForm {
        section: Section::Resource,
        types: &["azure_vm", "azure_aci"],
        tag: None,
        fields: &[
            Field::required("tenant_id", Kind::Text, "Id of the directory (tenant)."),
            Field::required("client_id", Kind::Text, "Id of the application (client)."),
            Field::required("client_secret", Kind::Text, "Secret of the application."),
            Field::required("subscription_id", Kind::Text, "Id of the subscription."),
        ],
    },
    AuthForm {
        section: Section::Resource,
        types: &["cloudbroker", "cloudsigma"],
        tag: None,
        fields: &[
            Field::required("email", Kind::Text, "Address of the account."),
            Field::required("password", Kind::Text, "Password of the account."),
        ],
    },
    AuthForm {
        section: Section::ConfigManagement,
        types: &["chef"],
        tag: None,
        fields: &[
            Field::required("client_name", Kind::Text, "Name of the API client."),
            Field::required("client_key", Kind::Text, "Private key of the API client (PEM)."),
        ],
    },
];

const USER: &[Field] = &[
    Field::required("username", Kind::Text, "Name of the user."),
    Field::required("password", Kind::Text, "Password of the user."),
];
