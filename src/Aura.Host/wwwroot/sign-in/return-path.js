/**
 * Where to go after signing in: an absolute address on this origin, "/" for anything else.
 * @param {string | null} path what the address asked for; taken only as a local path that begins with a single "/"
 * @param {string} origin this page's origin
 */
export function returnAddress(path, origin) {
  const home = origin + "/";
  if (path === null || !/^\/(?![/\\])/.test(path) || !URL.canParse(path, origin))
    return home;
  // The parser has the last word: it drops tabs and line ends and reads "\" as "/". Its whole address is used and not its path, which may
  // begin with "//" again.
  const url = new URL(path, origin);
  return url.origin === origin && url.pathname !== "/sign-in" ? url.href : home;
}
