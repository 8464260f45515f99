import '$kit/base.css';
import { mount } from 'svelte';
import Kit from './Kit.svelte';

mount(Kit, { target: document.getElementById('app')! });
