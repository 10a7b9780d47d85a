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
	action := waitForAction(must(do.DropletActions.Snapshot(ctx, machine, "base.1")))
	taken := listAll(snapshotsOfMachine)
	checkEqual("snapshots", len(taken), 1)
	checkEqual("kind", taken[0].Type, "snapshot")
	droplet := waitUntilUnlocked(machine)
	check(slices.Equal(droplet.SnapshotIDs, []int{taken[0].ID}), "snapshot_ids: %v", droplet.SnapshotIDs)
	snapshot := must(do.Snapshots.Get(ctx, strconv.Itoa(taken[0].ID)))
	checkEqual("resource", snapshot.ResourceID, strconv.Itoa(machine))
	checkEqual("kind of resource", snapshot.ResourceType, "droplet")
	checkEqual("created", snapshot.Created, action.StartedAt.UTC().Format("2006-01-02T15:04:05Z"))
	check(snapshot.SizeGigaBytes >= 0 && snapshot.MinDiskSize == 50, "snapshot: %v", snapshot)
	waitForAction(must(do.DropletActions.Restore(ctx, machine, taken[0].ID)))
	checkEqual("restored", waitUntilUnlocked(machine).Image.ID, taken[0].ID)
	checkEqual("snapshots", len(listAll(do.Snapshots.List)), 3)
	checkEqual("of droplets", len(listAll(do.Snapshots.ListDroplet)), 3)
	checkEqual("of volumes", len(listAll(do.Snapshots.ListVolume)), 0)
	for _, one := range must(do.Snapshots.List(ctx, nil)) {
		if one.Name == "pair.1" {
			mustSucceed(do.Snapshots.Delete(ctx, one.ID))
			checkNotFound(errorOf(do.Snapshots.Get(ctx, one.ID)))
		}
	}
}

func images() {
	own := listAll(do.Images.ListUser)
	checkEqual("own images", len(own), 1)
	base := own[0]
	checkEqual("renamed", must(do.Images.Update(ctx, base.ID, &godo.ImageUpdateRequest{Name: "base.2"})).Name, "base.2")
	check(!base.Public && slices.Equal(base.Regions, []string{region}) && base.Status == "available", "image: %v", base)
	checkEqual("by slug", must(do.Images.GetBySlug(ctx, stock)).Slug, stock)
	checkEqual("applications", len(listAll(do.Images.ListApplication)), 0)
	checkEqual("all", len(listAll(do.Images.List)), len(listAll(do.Images.ListDistribution))+1)

	moved := must(do.ImageActions.Transfer(ctx, base.ID, &godo.ActionRequest{"type": "transfer", "region": "sfo3"}))
	checkEqual("transfer", must(do.ImageActions.Get(ctx, base.ID, moved.ID)).ResourceType, "image")
	err := util.WaitForAvailable(ctx, do, "/v2/images/"+strconv.Itoa(base.ID)+"/actions/"+strconv.Itoa(moved.ID))
	check(err == nil, "%v", err)
	regions := must(do.Images.GetByID(ctx, base.ID)).Regions
	check(slices.Equal(regions, []string{region, "sfo3"}), "regions: %v", regions)
	again := &godo.ActionRequest{"type": "transfer", "region": "sfo3"}
	checkError(422, "already available", errorOf(do.ImageActions.Transfer(ctx, base.ID, again)))
	checkError(422, "backup", errorOf(do.ImageActions.Convert(ctx, base.ID)))

	elsewhere := &godo.DropletCreateRequest{Name: "four", Region: "sfo3", Size: "s-1vcpu-2gb", Image: godo.DropletCreateImage{ID: base.ID}}
	created := must(do.Droplets.Create(ctx, elsewhere))
	checkEqual("image", waitUntilUnlocked(created.ID).Image.ID, base.ID)
	mustSucceed(do.Droplets.Delete(ctx, created.ID))
	checkNotFound(errorOf(do.Droplets.Get(ctx, created.ID)))
}

func tags() {
	base := must(do.Images.ListUser(ctx, nil))[0].ID
	resources := []godo.Resource{
		{ID: strconv.Itoa(base), Type: godo.ImageResourceType}, {ID: strconv.Itoa(machine), Type: godo.DropletResourceType},
	}
	checkError(404, "", errorFrom(do.Tags.TagResources(ctx, "shared", &godo.TagResourcesRequest{Resources: resources})))
	checkEqual("tag", must(do.Tags.Create(ctx, &godo.TagCreateRequest{Name: "shared"})).Name, "shared")
	mustSucceed(do.Tags.TagResources(ctx, "shared", &godo.TagResourcesRequest{Resources: resources}))
	result := must(do.Tags.Get(ctx, "shared")).Resources
	check(result.Count == 2 && result.Droplets.Count == 1 && result.Images.Count == 1, "counts: %v", result)
	check(result.Volumes.Count == 0 && result.VolumeSnapshots.Count == 0 && result.Databases.Count == 0, "counts: %v", result)
	check(result.LastTaggedURI != "" && result.Droplets.LastTaggedURI != "", "last tagged: %v", result)
	checkEqual("by tag", must(do.Images.ListByTag(ctx, "shared", nil))[0].ID, base)
	checkEqual("tags", len(listAll(do.Tags.List)), 3)
	mustSucceed(do.Tags.UntagResources(ctx, "shared", &godo.UntagResourcesRequest{Resources: resources[:1]}))
	checkEqual("by tag", len(must(do.Images.ListByTag(ctx, "shared", nil))), 0)
	mustSucceed(do.Tags.Delete(ctx, "shared"))
	checkNotFound(errorOf(do.Tags.Get(ctx, "shared")))
	check(!slices.Contains(waitUntilUnlocked(machine).Tags, "shared"), "a tag that was deleted is still worn")
}
