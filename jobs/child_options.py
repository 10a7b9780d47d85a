"""Resource options that bind a component's children to the cluster that runs them."""

import pulumi


def child_options(
    component: pulumi.Resource, opts: pulumi.ResourceOptions | None
) -> pulumi.ResourceOptions:
    """Return the options of a child of ``component``, with the lifetime options of ``opts``.

    A component itself ignores ``deleted_with``, ``replace_with`` and ``replacement_trigger``, and
    its ``depends_on`` does not order the deletion of its children.
    """
    lifetime = opts or pulumi.ResourceOptions()
    return pulumi.ResourceOptions(
        parent=component,
        deleted_with=lifetime.deleted_with,
        replace_with=lifetime.replace_with,
        replacement_trigger=lifetime.replacement_trigger,
        depends_on=lifetime.depends_on,
    )
