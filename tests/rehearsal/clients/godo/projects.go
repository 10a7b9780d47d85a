package main

import (
	"context"
	"slices"

	"github.com/digitalocean/godo"
)

func projects() {
	home := must(do.Projects.GetDefault(ctx))
	check(home.IsDefault && home.OwnerUUID != "" && home.OwnerID > 0, "default project: %v", home)
	created := must(do.Projects.Create(ctx, &godo.CreateProjectRequest{Name: "first", Purpose: "a test", Environment: "development"}))
	check(created.Purpose == "Other: a test" && created.Environment == "Development", "project: %v", created)
	updated := must(do.Projects.Update(ctx, created.ID, &godo.UpdateProjectRequest{Name: "second", Environment: "Staging"}))
	check(updated.Name == "second" && updated.Environment == "Staging" && updated.Purpose == created.Purpose, "updated: %v", updated)
	machineURN, domainURN := godo.Droplet{ID: machine}, godo.Domain{Name: domain}
	assigned := must(do.Projects.AssignResources(ctx, created.ID, machineURN, domainURN.URN()))
	checkEqual("assigned", len(assigned), 2)
	resources := func(ctx context.Context, options *godo.ListOptions) ([]godo.ProjectResource, *godo.Response, error) {
		return do.Projects.ListResources(ctx, created.ID, options)
	}
	urns := []string{}
	for _, one := range listAll(resources) {
		check(one.Links.Self != "" && one.AssignedAt != "" && one.Status == "ok", "resource: %v", one)
		urns = append(urns, one.URN)
	}
	slices.Sort(urns)
	expected := []string{machineURN.URN(), domainURN.URN()}
	slices.Sort(expected)
	check(slices.Equal(urns, expected), "resources: %v", urns)
	checkError(412, "cannot delete a project with resources", errorFrom(do.Projects.Delete(ctx, created.ID)))
	must(do.Projects.AssignResources(ctx, home.ID, machineURN, domainURN))
	checkEqual("resources", len(listAll(resources)), 0)
	checkEqual("projects", len(listAll(do.Projects.List)), 2)
	mustSucceed(do.Projects.Delete(ctx, created.ID))
	checkNotFound(errorOf(do.Projects.Get(ctx, created.ID)))
}

func spacesKeys() {
	grants := []*godo.Grant{{Bucket: "pictures", Permission: godo.SpacesKeyRead}}
	created := must(do.SpacesKeys.Create(ctx, &godo.SpacesKeyCreateRequest{Name: "first", Grants: grants}))
	check(created.AccessKey != "" && created.SecretKey != "" && created.CreatedAt != "", "Spaces key: %v", created.Name)
	found := must(do.SpacesKeys.Get(ctx, created.AccessKey))
	check(found.SecretKey == "" && *found.Grants[0] == *grants[0], "Spaces key: %v", found)
	grants = append(grants, &godo.Grant{Bucket: "music", Permission: godo.SpacesKeyReadWrite})
	updated := must(do.SpacesKeys.Update(ctx, created.AccessKey, &godo.SpacesKeyUpdateRequest{Name: "second", Grants: grants}))
	check(updated.Name == "second" && len(updated.Grants) == 2, "updated: %v", updated)
	checkEqual("Spaces keys", len(listAll(do.SpacesKeys.List)), 1)
	checkError(400, "", errorOf(do.SpacesKeys.Create(ctx, &godo.SpacesKeyCreateRequest{Name: ""})))
	mustSucceed(do.SpacesKeys.Delete(ctx, created.AccessKey))
	checkNotFound(errorOf(do.SpacesKeys.Get(ctx, created.AccessKey)))
}
