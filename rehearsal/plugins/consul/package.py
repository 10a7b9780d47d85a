"""Resources and functions of the Consul provider emulator."""

from rehearsal.plugins.consul.acl_auth_method import AclAuthMethod
from rehearsal.plugins.consul.acl_binding_rule import AclBindingRule
from rehearsal.plugins.consul.acl_policy import AclPolicy
from rehearsal.plugins.consul.acl_role import AclRole
from rehearsal.plugins.consul.acl_token import AclToken
from rehearsal.plugins.consul.api import CONFIG, connect
from rehearsal.plugins.consul.config_entry import ConfigEntry
from rehearsal.plugins.consul.functions import FUNCTIONS
from rehearsal.plugins.consul.key_prefix import KeyPrefix
from rehearsal.plugins.consul.keys import Keys
from rehearsal.plugins.consul.node import Node
from rehearsal.plugins.consul.service import Service
from rehearsal.plugins.consul.service_defaults import ServiceDefaults
from rehearsal.plugins.consul.service_intentions import ServiceIntentions
from rehearsal.plugins.resource import Package

RESOURCES = (
    AclAuthMethod,
    AclBindingRule,
    AclPolicy,
    AclRole,
    AclToken,
    ConfigEntry,
    KeyPrefix,
    Keys,
    Node,
    Service,
    ServiceDefaults,
    ServiceIntentions,
)

PACKAGE = Package("consul", CONFIG, connect, RESOURCES, FUNCTIONS)
