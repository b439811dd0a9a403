alter table report drop column slot;
