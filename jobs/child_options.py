"""What lives in a cluster belongs to it: jobs and Consul entries come and go with the cluster that holds them."""

import pulumi


def child_options(
    component: pulumi.Resource, opts: pulumi.ResourceOptions | None
) -> pulumi.ResourceOptions:
    """Options of a component's child that hand on what binds the component to its cluster.

    ``deleted_with``, ``replace_with`` and ``replacement_trigger`` have no effect on a component itself, ``depends_on`` none on
    the order in which its children go.
    """
    given = opts or pulumi.ResourceOptions()
    return pulumi.ResourceOptions(
        parent=component,
        deleted_with=given.deleted_with,
        replace_with=given.replace_with,
        replacement_trigger=given.replacement_trigger,
        depends_on=given.depends_on,
    )
