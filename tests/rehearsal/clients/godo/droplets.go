package main

import (
	"fmt"
	"slices"

	"github.com/digitalocean/godo"
	"github.com/digitalocean/godo/util"
)

const tag = "godo"

var (
	machine  int // the droplet that most steps use
	third    int
	together []int
)

func request(name string) *godo.DropletCreateRequest {
	return &godo.DropletCreateRequest{
		Name: name, Region: region, Size: size, Image: godo.DropletCreateImage{Slug: stock}, Tags: []string{tag}, VPCUUID: vpc,
	}
}

// waitUntilUnlocked returns the droplet once it is unlocked.
func waitUntilUnlocked(id int) *godo.Droplet {
	var droplet *godo.Droplet
	waitUntil("unlocked", func() bool {
		droplet = must(do.Droplets.Get(ctx, id))
		return !droplet.Locked
	})
	return droplet
}

func droplets() {
	key := must(do.Keys.Create(ctx, &godo.KeyCreateRequest{Name: "droplets", PublicKey: publicKey()}))
	wanted := request("one")
	wanted.SSHKeys = []godo.DropletCreateSSHKey{{ID: key.ID}, {Fingerprint: key.Fingerprint}}
	wanted.UserData, wanted.Monitoring = "#cloud-config\n", true
	started, answer, err := do.Droplets.Create(ctx, wanted)
	check(err == nil, "%v", err)
	checkEqual("a droplet's first status", started.Status, "new")
	checkEqual("links", len(answer.Links.Actions), 1)
	checkEqual("rel", answer.Links.Actions[0].Rel, "create")
	checkEqual("of the link", must(answer.Links.Actions[0].Get(ctx, do)).ResourceID, started.ID)
	err = util.WaitForActive(ctx, do, answer.Links.Actions[0].HREF)
	check(err == nil, "%v", err)
	machine = started.ID
	droplet := waitUntilUnlocked(machine)
	checkEqual("status", droplet.Status, "active")
	checkEqual("name", droplet.Name, "one")
	checkEqual("region", droplet.Region.Slug, region)
	checkEqual("size", droplet.Size.Slug, size)
	checkEqual("size", droplet.SizeSlug, size)
	checkEqual("image", droplet.Image.Slug, stock)
	checkEqual("VPC", droplet.VPCUUID, vpc)
	check(slices.Contains(droplet.Features, "monitoring"), "features: %v", droplet.Features)
	public, err := droplet.PublicIPv4()
	check(err == nil && public != "", "public address: %q, %v", public, err)
	private, err := droplet.PrivateIPv4()
	check(err == nil && private != "", "private address: %q, %v", private, err)
	_, err = droplet.PublicIPv6()
	check(err == nil, "%v", err)

	multi := &godo.DropletMultiCreateRequest{
		Names: []string{"two", "three"}, Region: region, Size: size, Image: godo.DropletCreateImage{ID: droplet.Image.ID},
		Tags: []string{tag, "pair"}, VPCUUID: vpc, IPv6: true, Backups: true,
	}
	pair, answer, err := do.Droplets.CreateMultiple(ctx, multi)
	check(err == nil, "%v", err)
	checkEqual("droplets", len(pair), 2)
	checkEqual("links", len(answer.Links.Actions), 2)
	for _, one := range pair {
		together = append(together, one.ID)
		created := waitUntilUnlocked(one.ID)
		check(slices.Contains(created.Features, "ipv6") && slices.Contains(created.Features, "backups"), "features: %v", created.Features)
		address, err := created.PublicIPv6()
		check(err == nil && address != "", "IPv6: %q, %v", address, err)
		check(created.NextBackupWindow.Start.Before(created.NextBackupWindow.End.Time), "backup window: %v", created.NextBackupWindow)
	}
	mustSucceed(do.Keys.DeleteByID(ctx, key.ID))
}

func paging() {
	checkEqual("droplets", len(listAll(do.Droplets.List)), 3)
	checkEqual("by name", must(do.Droplets.ListByName(ctx, "two", nil))[0].ID, together[0])
	checkEqual("by tag", len(must(do.Droplets.ListByTag(ctx, "pair", nil))), 2)
	checkEqual("with GPUs", len(must(do.Droplets.ListWithGPUs(ctx, nil))), 0)
	checkEqual("actions", len(listAll(do.Actions.List)), 3)
	_, answer, err := do.Droplets.List(ctx, &godo.ListOptions{Page: 2, PerPage: 1})
	check(err == nil, "%v", err)
	pages := answer.Links.Pages
	for name, link := range map[string]string{"first": pages.First, "prev": pages.Prev, "next": pages.Next, "last": pages.Last} {
		wanted := map[string]int{"first": 1, "prev": 1, "next": 3, "last": 3}[name]
		checkEqual(name, link, fmt.Sprintf("%s/v2/droplets?page=%d&per_page=1", do.BaseURL, wanted))
	}
}

func power() {
	waitForAction(must(do.DropletActions.Shutdown(ctx, machine)))
	checkEqual("after shutdown", waitUntilUnlocked(machine).Status, "off")
	checkError(422, "already powered off", errorOf(do.DropletActions.PowerOff(ctx, machine)))
	waitForAction(must(do.DropletActions.PowerOn(ctx, machine)))
	checkEqual("after power on", waitUntilUnlocked(machine).Status, "active")
	waitForAction(must(do.DropletActions.PowerCycle(ctx, machine)))
	waitForAction(must(do.DropletActions.Reboot(ctx, machine)))
	reset := must(do.DropletActions.PasswordReset(ctx, machine))
	checkError(422, "pending event", errorOf(do.DropletActions.Reboot(ctx, machine)))
	checkEqual("by droplet", must(do.DropletActions.Get(ctx, machine, reset.ID)).Type, "password_reset")
	waitForAction(reset)
	waitForAction(must(do.DropletActions.PowerOff(ctx, machine)))
	checkEqual("after power off", waitUntilUnlocked(machine).Status, "off")
}

func changes() {
	waitForAction(must(do.DropletActions.Resize(ctx, machine, "s-1vcpu-2gb", false)))
	droplet := waitUntilUnlocked(machine)
	check(droplet.SizeSlug == "s-1vcpu-2gb" && droplet.Memory == 2048 && droplet.Disk == 25, "resized: %v", droplet)
	waitForAction(must(do.DropletActions.Resize(ctx, machine, "s-1vcpu-2gb", true)))
	checkEqual("disk", waitUntilUnlocked(machine).Disk, 50)
	checkError(422, "smaller disk", errorOf(do.DropletActions.Resize(ctx, machine, size, true)))
	waitForAction(must(do.DropletActions.PowerOn(ctx, machine)))
	waitForAction(must(do.DropletActions.Rename(ctx, machine, "renamed")))
	checkEqual("name", waitUntilUnlocked(machine).Name, "renamed")
	waitForAction(must(do.DropletActions.EnableIPv6(ctx, machine)))
	waitForAction(must(do.DropletActions.EnablePrivateNetworking(ctx, machine)))
	policy := &godo.DropletBackupPolicyRequest{Plan: "weekly", Weekday: "SUN", Hour: godo.PtrTo(4)}
	waitForAction(must(do.DropletActions.EnableBackupsWithPolicy(ctx, machine, policy)))
	policy = &godo.DropletBackupPolicyRequest{Plan: "daily", Hour: godo.PtrTo(20)}
	waitForAction(must(do.DropletActions.ChangeBackupPolicy(ctx, machine, policy)))
	checkEqual("hour of backups", waitUntilUnlocked(machine).NextBackupWindow.Start.UTC().Hour(), 20)
	waitForAction(must(do.DropletActions.DisableBackups(ctx, machine)))
	droplet = waitUntilUnlocked(machine)
	check(slices.Contains(droplet.Features, "ipv6") && !slices.Contains(droplet.Features, "backups"), "features: %v", droplet.Features)
	waitForAction(must(do.DropletActions.EnableBackups(ctx, machine)))
	waitForAction(must(do.DropletActions.RebuildByImageSlug(ctx, machine, stock)))
	waitForAction(must(do.DropletActions.RebuildByImageID(ctx, machine, droplet.Image.ID)))
	waitUntilUnlocked(machine)
	checkError(422, "kernel", errorOf(do.DropletActions.ChangeKernel(ctx, machine, 1)))
	types := map[string]bool{}
	for _, action := range listAll(ofMachine) {
		types[action.Type] = true
		checkEqual("resource", action.ResourceID, machine)
	}
	check(types["create"] && types["resize"] && types["rebuild"] && types["change_backup_policy"], "actions: %v", types)
}

func actionsByTag() {
	asked := []func() ([]godo.Action, *godo.Response, error){
		func() ([]godo.Action, *godo.Response, error) { return do.DropletActions.PowerOffByTag(ctx, "pair") },
		func() ([]godo.Action, *godo.Response, error) { return do.DropletActions.PowerOnByTag(ctx, "pair") },
		func() ([]godo.Action, *godo.Response, error) { return do.DropletActions.PowerCycleByTag(ctx, "pair") },
		func() ([]godo.Action, *godo.Response, error) { return do.DropletActions.ShutdownByTag(ctx, "pair") },
		func() ([]godo.Action, *godo.Response, error) {
			return do.DropletActions.DisableBackupsByTag(ctx, "pair")
		},
		func() ([]godo.Action, *godo.Response, error) {
			return do.DropletActions.EnableBackupsByTag(ctx, "pair")
		},
		func() ([]godo.Action, *godo.Response, error) { return do.DropletActions.EnableIPv6ByTag(ctx, "pair") },
		func() ([]godo.Action, *godo.Response, error) {
			return do.DropletActions.SnapshotByTag(ctx, "pair", "pair.1")
		},
	}
	for _, ask := range asked {
		started := must(ask())
		checkEqual("actions", len(started), 2)
		for _, action := range started {
			waitForAction(&action)
		}
	}
}
