// Streamlit fetches a component's script for every change of its data, and on a busy machine an
// earlier change may come out of that after a later one. Each says when it was made, so that what
// is on the page never gives way to what was there before it.

const newest = new WeakMap(); // where a component is mounted -> when its data were made

const inOrder = (show) => ({ data: { at, ...data }, ...rest }) => {
  if (at < (newest.get(rest.parentElement) ?? 0)) return undefined;
  newest.set(rest.parentElement, at);
  return show({ data, ...rest });
};

