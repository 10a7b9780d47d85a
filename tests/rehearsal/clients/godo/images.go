package main

import (
	"context"
	"slices"
	"strconv"

	"github.com/digitalocean/godo"
	"github.com/digitalocean/godo/util"
)

func ofMachine(ctx context.Context, options *godo.ListOptions) ([]godo.Action, *godo.Response, error) {
	return do.Droplets.Actions(ctx, machine, options)
}

func snapshotsOfMachine(ctx context.Context, options *godo.ListOptions) ([]godo.Image, *godo.Response, error) {
	return do.Droplets.Snapshots(ctx, machine, options)
}

func snapshots() {
	action := ended(must(do.DropletActions.Snapshot(ctx, machine, "base.1")))
	taken := listed(snapshotsOfMachine)
	same("snapshots", len(taken), 1)
	same("kind", taken[0].Type, "snapshot")
	droplet := settled(machine)
	check(slices.Equal(droplet.SnapshotIDs, []int{taken[0].ID}), "snapshot_ids: %v", droplet.SnapshotIDs)
	snapshot := must(do.Snapshots.Get(ctx, strconv.Itoa(taken[0].ID)))
	same("resource", snapshot.ResourceID, strconv.Itoa(machine))
	same("kind of resource", snapshot.ResourceType, "droplet")
	same("created", snapshot.Created, action.StartedAt.UTC().Format("2006-01-02T15:04:05Z"))
	check(snapshot.SizeGigaBytes >= 0 && snapshot.MinDiskSize == 50, "snapshot: %v", snapshot)
	ended(must(do.DropletActions.Restore(ctx, machine, taken[0].ID)))
	same("restored", settled(machine).Image.ID, taken[0].ID)
	same("snapshots", len(listed(do.Snapshots.List)), 3)
	same("of droplets", len(listed(do.Snapshots.ListDroplet)), 3)
	same("of volumes", len(listed(do.Snapshots.ListVolume)), 0)
	for _, one := range must(do.Snapshots.List(ctx, nil)) {
		if one.Name == "pair.1" {
			done(do.Snapshots.Delete(ctx, one.ID))
			gone(failing(do.Snapshots.Get(ctx, one.ID)))
		}
	}
}

func images() {
	own := listed(do.Images.ListUser)
	same("own images", len(own), 1)
	base := own[0]
	same("renamed", must(do.Images.Update(ctx, base.ID, &godo.ImageUpdateRequest{Name: "base.2"})).Name, "base.2")
	check(!base.Public && slices.Equal(base.Regions, []string{region}) && base.Status == "available", "image: %v", base)
	same("by slug", must(do.Images.GetBySlug(ctx, stock)).Slug, stock)
	same("applications", len(listed(do.Images.ListApplication)), 0)
	same("all", len(listed(do.Images.List)), len(listed(do.Images.ListDistribution))+1)

	moved := must(do.ImageActions.Transfer(ctx, base.ID, &godo.ActionRequest{"type": "transfer", "region": "sfo3"}))
	same("transfer", must(do.ImageActions.Get(ctx, base.ID, moved.ID)).ResourceType, "image")
	err := util.WaitForAvailable(ctx, do, "/v2/images/"+strconv.Itoa(base.ID)+"/actions/"+strconv.Itoa(moved.ID))
	check(err == nil, "%v", err)
	regions := must(do.Images.GetByID(ctx, base.ID)).Regions
	check(slices.Equal(regions, []string{region, "sfo3"}), "regions: %v", regions)
	again := &godo.ActionRequest{"type": "transfer", "region": "sfo3"}
	refused(422, "already available", failing(do.ImageActions.Transfer(ctx, base.ID, again)))
	refused(422, "backup", failing(do.ImageActions.Convert(ctx, base.ID)))

	elsewhere := &godo.DropletCreateRequest{Name: "four", Region: "sfo3", Size: "s-1vcpu-2gb", Image: godo.DropletCreateImage{ID: base.ID}}
	made := must(do.Droplets.Create(ctx, elsewhere))
	same("image", settled(made.ID).Image.ID, base.ID)
	done(do.Droplets.Delete(ctx, made.ID))
	gone(failing(do.Droplets.Get(ctx, made.ID)))
}

func tags() {
	base := must(do.Images.ListUser(ctx, nil))[0].ID
	resources := []godo.Resource{
		{ID: strconv.Itoa(base), Type: godo.ImageResourceType}, {ID: strconv.Itoa(machine), Type: godo.DropletResourceType},
	}
	refused(404, "", failed(do.Tags.TagResources(ctx, "shared", &godo.TagResourcesRequest{Resources: resources})))
	same("tag", must(do.Tags.Create(ctx, &godo.TagCreateRequest{Name: "shared"})).Name, "shared")
	done(do.Tags.TagResources(ctx, "shared", &godo.TagResourcesRequest{Resources: resources}))
	told := must(do.Tags.Get(ctx, "shared")).Resources
	check(told.Count == 2 && told.Droplets.Count == 1 && told.Images.Count == 1, "counts: %v", told)
	check(told.Volumes.Count == 0 && told.VolumeSnapshots.Count == 0 && told.Databases.Count == 0, "counts: %v", told)
	check(told.LastTaggedURI != "" && told.Droplets.LastTaggedURI != "", "last tagged: %v", told)
	same("by tag", must(do.Images.ListByTag(ctx, "shared", nil))[0].ID, base)
	same("tags", len(listed(do.Tags.List)), 3)
	done(do.Tags.UntagResources(ctx, "shared", &godo.UntagResourcesRequest{Resources: resources[:1]}))
	same("by tag", len(must(do.Images.ListByTag(ctx, "shared", nil))), 0)
	done(do.Tags.Delete(ctx, "shared"))
	gone(failing(do.Tags.Get(ctx, "shared")))
	check(!slices.Contains(settled(machine).Tags, "shared"), "a tag that was deleted is still worn")
}
