// A page opened from disk may not start a Worker. There the search runs in a hidden frame that takes and sends the same messages.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.onmessage = this.onerror = null;
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.postMessage = (sent) => {
        const data = structuredClone(sent);
        setTimeout(() => this.onmessage && this.onmessage({ data }));
      };
      const script = inside.document.createElement("script");
      script.src = new URL(url, location.href);
      script.onerror = (fault) => this.onerror && this.onerror(fault);
      script.onload = () => {
        const early = this.waiting;
        this.waiting = null;
        early.forEach((data) => this.postMessage(data));
      };
      inside.document.body.append(script);
    }
    postMessage(sent) {
      const data = structuredClone(sent);
      if (this.waiting) this.waiting.push(data);
      else setTimeout(() => this.frame.contentWindow && this.frame.contentWindow.onmessage({ data }));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
