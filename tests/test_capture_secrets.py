"""No secret is stored in clear, and ordinary words are left alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstore.capture.secrets import mask

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA0123456789abcdef\nAAAA0123456789abcdefBB==\n"


class TestMasking:
    @pytest.mark.parametrize(
        ("text", "secret", "kind"),
        [
            ("key sk-ant-api03-abcdefghijklmnopqrstuvwxyz", "abcdefghijkl", "anthropic-key"),
            ("AWS: AKIAIOSFODNN7EXAMPLE in prod", "AKIAIOSFODNN7", "aws-key"),
            ("ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a", "16C7e42F", "github-token"),
            ("postgres://bob:s3cret@host/db", "s3cret", "url-password"),
            ("redis://:hunter22@localhost:6379/0", "hunter22", "url-password"),
            ("password = 'hunter2hunter'", "hunter2", "password"),
            ('{"api_key": "abc123def456ghi"}', "abc123", "password"),
            ("my password is hunter22.", "hunter22", "password"),
            ("DB_PASSWORD=swordfish", "swordfish", "password"),
            ("Authorization: Bearer abcdefghijklmnop123456", "abcdefghij", "bearer-token"),
            ("https://api.example/v1?q=x&token=abcdef123456", "abcdef123456", "url-password"),
            ("curl -s -u admin:s3cret https://x.example", "s3cret", "command-password"),
            ("mysqldump -u root -phunter22 shop", "hunter22", "command-password"),
            ("machine x.example login bob password s3cretz", "s3cretz", "netrc-password"),
            (PEM + "-----END RSA PRIVATE KEY-----", "MIIEow", "private-key"),
            (PEM + "and then the paste was cut", "MIIEow", "private-key"),
        ],
    )
    def test_hides_the_secret_and_names_its_kind(self, text: str, secret: str, kind: str) -> None:
        masked = mask(text)
        assert secret not in masked.text
        assert kind in [found.kind for found in masked.found]
        assert all(masked.text[found.at :].startswith(f"[masked:{found.kind}]") for found in masked.found)

    @pytest.mark.parametrize(
        "text",
        [
            "the password is required",
            "We pay 6,700 tokens: 1,050 at start",
            "token: str",
            "password=os.environ['DB_PASSWORD']",
            "api_key = settings.api_key",
            "'api_key': '<your key>'",
            "commit 5bcdbf7c0ffee5bcdbf7c0ffee5bcdbf7c0ffee5",
            "see https://example.org/a:b@c",
            "The secret is to keep functions short.",
            "rotate tokens every 30 days",
            "curl -u $USER:$TOKEN https://x.example",
            "mysql -p3306 shop",
            "mysql -u root -p",
            "After the login a password is asked for",
        ],
    )
    def test_leaves_ordinary_words_alone(self, text: str) -> None:
        assert mask(text).text == text

    def test_keeps_the_words_around_it(self) -> None:
        assert mask("Use ghp_" + "a1" * 20 + " for CI.").text == "Use [masked:github-token] for CI."

    @given(
        st.text(max_size=80),
        st.sampled_from(["password=hunter22", "AKIAIOSFODNN7EXAMPLE", PEM, "://u:pa55@h"]),
        st.text(max_size=80),
    )
    def test_masking_twice_changes_nothing(self, before: str, secret: str, after: str) -> None:
        once = mask(before + secret + after).text
        assert mask(once).text == once

    @given(st.text())
    def test_text_without_a_find_is_returned_as_it_was(self, text: str) -> None:
        masked = mask(text)
        assert masked.found or masked.text == text


WORDS = ["correct", "horse", "battery", "staple", "otter", "marble", "Lantern", "velvet", "Pferd", "agrafe", "wave"]


class TestPassPhrases:
    @pytest.mark.parametrize(
        "text",
        [
            "password: correct horse battery staple",
            "Password: Correct Horse Battery Staple.",
            "the wifi password = correct horse battery staple, the user is bob",
            "passphrase: correct horse staple",
            "our passphrase is correct horse battery staple",
            'password: "correct horse battery staple"',
            "**Password:** correct horse battery staple",
            "`pwd`: `correct horse battery staple`",
            "password: correct-horse-battery-staple",
            "password: correct horse battery staple 9",
            "Passwort: Korrekt correct Batterie horse",
            "Kennwort lautet correct horse battery staple",
            "mot de passe : correct horse battery agrafe",
            "contraseña: correct horse battery grapa",
            "notes\npassword=correct horse battery staple\nmore notes",
            "PASSWORD:\tcorrect  horse  battery  staple",
            "seed phrase: correct horse wave sausage worth useful legal winner thank yellow year grace",
        ],
    )
    def test_are_masked_whole_after_a_name(self, text: str) -> None:
        masked = mask(text).text
        assert "[masked:password]" in masked
        assert not {"correct", "horse", "staple", "agrafe", "grapa", "grace"} & set(re.findall(r"\w+", masked.lower()))

    @given(
        st.sampled_from(["password: ", "Passphrase = ", "passwort: ", "pass phrase is ", "recovery phrase: '"]),
        st.lists(st.sampled_from(WORDS), min_size=4, max_size=24),
        st.sampled_from([" ", "-", "  "]),
        st.sampled_from(["", ".", "'", "\nand so on", ", said Bob", ")"]),
    )
    def test_leave_no_word_behind_however_they_are_joined(
        self, name: str, words: list[str], joint: str, after: str
    ) -> None:
        masked = mask(name + joint.join(words) + after).text
        assert not set(words) & set(re.findall(r"\w+", masked))
        assert masked.endswith(after)

    @pytest.mark.parametrize(
        "text",
        [
            "the password: we decided to rotate it",
            "password: required field",
            "Password: plain text input field here",
            "password: string value, length eight or more",
            "passphrase: none required",
            "passwords: rotate every quarter please",
            "password: whatever your manager generated",
            "**Password**: Whether a password is required to access Redis.",
            "**Password**: Validate the field to ensure it meets the criteria",
            "The password is derived client side.",
            "Passwords are hashed using bcrypt with twelve rounds.",
            "The password was rotated twice last week.",
            "passphrase = input(prompt)",
            "the secret phrase is what we look for",
            "password policy: long ones only",
            "a passage: correct horse battery staple",
            "compass: correct horse battery staple",
        ],
    )
    def test_are_not_seen_in_prose(self, text: str) -> None:
        assert mask(text).text == text

    @pytest.mark.parametrize("text", ["password: blue horse", "password: my dog ate the shoe"])
    def test_that_are_short_or_sentences_are_not_told_from_prose(self, text: str) -> None:
        assert mask(text).text == text

    def test_a_long_line_of_words_after_a_name_is_read_in_linear_time(self) -> None:
        text = "password: " + "correct horse " * 20_000 + "password is " * 20_000
        assert mask(text).text == text


class TestAgainstDetectSecrets:
    """The well-kept library's provider patterns are the yardstick: what they match is masked."""

    PLUGINS = (
        ("aws", "AWSKeyDetector", 0),
        ("github_token", "GitHubTokenDetector", 0),
        ("gitlab_token", "GitLabTokenDetector", 0),
        ("openai", "OpenAIDetector", 0),
        ("pypi_token", "PypiTokenDetector", 0),
        ("sendgrid", "SendGridDetector", 0),
        ("slack", "SlackDetector", 0),
        ("square_oauth", "SquareOAuthDetector", 0),
        ("stripe", "StripeDetector", 0),
        ("telegram_token", "TelegramBotTokenDetector", 0),
        ("twilio", "TwilioKeyDetector", 0),
        ("npm", "NpmDetector", 0),
        ("azure_storage_key", "AzureStorageKeyDetector", 0),
        ("mailchimp", "MailchimpDetector", 0),
        ("discord", "DiscordBotTokenDetector", 0),
    )

    @pytest.mark.parametrize(("module", "name", "index"), PLUGINS)
    def test_what_a_provider_pattern_matches_is_masked(self, module: str, name: str, index: int) -> None:
        plugins = pytest.importorskip(f"detect_secrets.plugins.{module}")
        pattern = next(iter(getattr(plugins, name).denylist))
        sample = st.from_regex(re.compile(pattern.pattern, re.ASCII | pattern.flags & re.IGNORECASE), fullmatch=True)

        @settings(max_examples=25, deadline=None, database=None, derandomize=True)
        @given(sample)
        def masked(secret: str) -> None:
            found = mask(f"use {secret.strip()} here")
            assert found.found, secret

        masked()
