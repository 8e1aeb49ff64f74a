"""headwise in a browser: the page is JavaScript, what builds and asks it is here. See docs/web.md."""
