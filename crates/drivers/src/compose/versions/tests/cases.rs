//! Odd files that can be edited, with the text marked that an edit may change.

pub(super) const STACK: &str = "thethingsnetwork/lorawan-stack:3.23.2";

/// A deployment's files, and what each of its services is made from.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) files: &'static [(&'static str, &'static str)],
    /// Compose files in order; the first file alone where empty.
    pub(super) order: &'static [&'static str],
    pub(super) services: &'static [(&'static str, &'static str)],
    pub(super) environment: &'static [(&'static str, &'static str)],
}

impl Case {
    pub(super) const fn of(
        name: &'static str,
        files: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self {
            name,
            files,
            order: &[],
            services: &[("stack", STACK)],
            environment: &[],
        }
    }
}

/// Every way to write a version that can be edited.
pub(super) const CASES: &[Case] = &[
    Case::of(
        "plain",
        &[(
            "c.yml",
            "services:\n  stack:\n    image: thethingsnetwork/lorawan-stack:«3.23.2»\n",
        )],
    ),
    Case::of(
        "comment behind it",
        &[(
            "c.yml",
            "services:\n  stack:\n    image: thethingsnetwork/lorawan-stack:«3.23.2» # was 3.23.2 before\n    # 3.23.2\n",
        )],
    ),
    Case::of(
        "single quotes",
        &[(
            "c.yml",
            "services:\n  stack:\n    image: 'thethingsnetwork/lorawan-stack:«3.23.2»'\n",
        )],
    ),
    Case::of(
        "double quotes, no final newline",
        &[(
            "c.yml",
            "services:\n  stack:\n    image: \"thethingsnetwork/lorawan-stack:«3.23.2»\"",
        )],
    ),
    Case::of(
        "CRLF",
        &[(
            "c.yml",
            "services:\r\n  stack:\r\n    image: thethingsnetwork/lorawan-stack:«3.23.2»\r\n    ports: [\"1885:1885\"]\r\n",
        )],
    ),
    Case::of(
        "flow mapping",
        &[(
            "c.yml",
            "services: {stack: {image: thethingsnetwork/lorawan-stack:«3.23.2», ports: [\"1885:1885\"]}}\n",
        )],
    ),
    Case::of(
        "quoted key, non-ASCII comment before",
        &[(
            "c.yml",
            "# Größe über alles ✓\n\"services\":\n  \"stack\": { \"image\" : \"thethingsnetwork/lorawan-stack:«3.23.2»\" }\n",
        )],
    ),
    Case::of(
        "folded scalar",
        &[(
            "c.yml",
            "services:\n  stack:\n    image: >-\n      thethingsnetwork/lorawan-stack:«3.23.2»\n    command: start\n",
        )],
    ),
    Case::of(
        "value on the next line",
        &[(
            "c.yml",
            "services:\n  stack:\n    image:\n      thethingsnetwork/lorawan-stack:«3.23.2»\n",
        )],
    ),
    Case::of(
        "directive and tag",
        &[(
            "c.yml",
            "%YAML 1.2\n---\nservices:\n  stack:\n    image: !!str thethingsnetwork/lorawan-stack:«3.23.2»\n",
        )],
    ),
    Case::of(
        "anchor on the scalar",
        &[(
            "c.yml",
            "services:\n  stack:\n    image: &img thethingsnetwork/lorawan-stack:«3.23.2»\n  other: {image: redis:3.23.2}\n",
        )],
    ),
    Case::of(
        "merge key",
        &[(
            "c.yml",
            "x-stack: &stack\n  image: thethingsnetwork/lorawan-stack:«3.23.2»\n  restart: always\nservices:\n  stack:\n    <<: *stack\n    command: start\n",
        )],
    ),
    Case::of(
        "two merge keys in a list",
        &[(
            "c.yml",
            "x-a: &a {restart: always}\nx-b: &b {image: thethingsnetwork/lorawan-stack:«3.23.2»}\nservices:\n  stack:\n    <<: [*a, *b]\n",
        )],
    ),
    Case::of(
        "default of an unset variable",
        &[(
            "c.yml",
            "services:\n  stack:\n    image: thethingsnetwork/lorawan-stack:${TTS_VERSION:-«3.23.2»}\n",
        )],
    ),
    Case::of(
        "nested default",
        &[(
            "c.yml",
            "services:\n  stack:\n    image: ${IMAGE:-thethingsnetwork/lorawan-stack:${TTS_VERSION-«3.23.2»}}\n",
        )],
    ),
    Case::of(
        "variable in .env, its default stays",
        &[
            (
                "c.yml",
                "services:\n  stack:\n    image: thethingsnetwork/lorawan-stack:${TTS_VERSION:-3.0.0}\n",
            ),
            (
                ".env",
                "# 3.23.2\nOTHER=3.23.2\nexport TTS_VERSION=\"«3.23.2»\"   # pin\r\n",
            ),
        ],
    ),
    Case::of(
        "the last of two assignments counts",
        &[
            (
                "c.yml",
                "services:\n  stack:\n    image: thethingsnetwork/lorawan-stack:$TTS_VERSION\n",
            ),
            (".env", "TTS_VERSION=3.22.0\nTTS_VERSION='«3.23.2»'\n"),
        ],
    ),
    Case::of(
        "the whole image in a variable, which names another",
        &[
            (
                "c.yml",
                "services:\n  stack:\n    image: ${STACK_IMAGE:?set it}\n",
            ),
            (
                ".env",
                "VERSION=«3.23.2»\nSTACK_IMAGE=thethingsnetwork/lorawan-stack:${VERSION}",
            ),
        ],
    ),
    Case {
        order: &["c.yml", "override.yml"],
        ..Case::of(
            "an override file decides",
            &[
                (
                    "c.yml",
                    "services:\n  stack:\n    image: thethingsnetwork/lorawan-stack:3.0.0\n",
                ),
                (
                    "override.yml",
                    "services:\n  stack:\n    image: thethingsnetwork/lorawan-stack:«3.23.2»\n",
                ),
            ],
        )
    },
    Case {
        order: &["c.yml", "override.yml"],
        ..Case::of(
            "an override file that does not",
            &[
                (
                    "c.yml",
                    "services:\n  stack:\n    image: thethingsnetwork/lorawan-stack:«3.23.2»\n",
                ),
                (
                    "override.yml",
                    "services:\n  stack:\n    ports: [\"80:1885\"]\n",
                ),
            ],
        )
    },
    Case {
        order: &["c.yml"],
        ..Case::of(
            "extends another file",
            &[
                (
                    "c.yml",
                    "services:\n  stack:\n    extends: {file: base/base.yml, service: common}\n",
                ),
                (
                    "base/base.yml",
                    "services:\n  common:\n    image: thethingsnetwork/lorawan-stack:«3.23.2»\n",
                ),
            ],
        )
    },
    Case::of(
        "extends a service of the same file",
        &[(
            "c.yml",
            "services:\n  base: &x\n    image: thethingsnetwork/lorawan-stack:«3.23.2»\n  stack:\n    extends: base\n",
        )],
    ),
    Case {
        order: &["c.yml"],
        ..Case::of(
            "included, with an environment of its own",
            &[
                ("c.yml", "include:\n  - path: tts/compose.yml\n"),
                (
                    "tts/compose.yml",
                    "services:\n  stack:\n    image: thethingsnetwork/lorawan-stack:${V}\n",
                ),
                ("tts/.env", "V=«3.23.2»\n"),
            ],
        )
    },
    Case {
        services: &[("stack", STACK), ("worker", STACK), ("console", STACK)],
        ..Case::of(
            "three services, two places",
            &[(
                "c.yml",
                "services:\n  stack: &s\n    image: thethingsnetwork/lorawan-stack:«3.23.2»\n  worker:\n    <<: *s\n    command: start ns\n  console:\n    image: thethingsnetwork/lorawan-stack:«3.23.2»\n",
            )],
        )
    },
    Case {
        services: &[(
            "stack",
            "mirror.local:5000/thethingsnetwork/lorawan-stack:3.23.2",
        )],
        ..Case::of(
            "a registry with a port",
            &[(
                "c.yml",
                "services:\n  stack:\n    image: mirror.local:5000/thethingsnetwork/lorawan-stack:«3.23.2»\n",
            )],
        )
    },
    Case::of(
        "tabs after the colon and a document end",
        &[(
            "c.yml",
            "services:\n  stack:\n    image:\tthethingsnetwork/lorawan-stack:«3.23.2»\n...\n",
        )],
    ),
];
